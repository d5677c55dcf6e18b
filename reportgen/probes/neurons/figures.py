"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from reportgen.figures.describe import Curve, Curves, Figure, TokenGrid
from reportgen.language import list_items, say
from reportgen.numerals import write_cell, write_number
from reportgen.probes.neurons.view import different_tokens, examples_of, unit_label
from reportgen.probing.parts import describe_curves
from reportgen.probing.probe import quote_prompts
from reportgen.probing.view import SubjectView
from reportgen.results.section import Section
from reportgen.text.characters import mark_space

SHOWN = 10
"""Tokens of a unit that are drawn."""
WIDEST = 16
"""Tokens of a strip; the last ones of a longer text."""
MOST_STRIPS = 2
"""Texts that are drawn: the first ones."""


def figures(section: Section) -> Iterable[Figure]:
    """The strongest tokens of every unit; its strips; how many neurons are off."""
    views = SubjectView.each(section)
    for view in views:
        yield _draw_strongest(view)
    for prompt in range(MOST_STRIPS):
        for view in views:
            if prompt < len(view.rows("prompts")):
                yield _draw_strip(view, prompt)
    for view in views:
        if len(view.values("closed_by_block")):
            yield _draw_off(view)


def _draw_strongest(view: SubjectView) -> TokenGrid:
    units = view.rows("units")
    rows = [examples_of(view, unit["item"])[:SHOWN] for unit in units]
    columns = max(map(len, rows))
    values = np.full((len(rows), columns), np.nan)
    texts = [["" for _ in range(columns)] for _ in rows]
    for at, (unit, examples) in enumerate(zip(units, rows, strict=True)):
        for rank, example in enumerate(examples):
            values[at, rank] = abs(example["activation"]) / (abs(unit["largest"]) or 1.0)
            texts[at][rank] = mark_space(str(example["token"]))
    told = [
        say(
            "neurons.strongest.row", "{unit} on {tokens}", unit=unit_label(unit),
            tokens=list_items([mark_space(token) for token in different_tokens(examples, 3)]),
        )
        for unit, examples in zip(units, rows, strict=True)
    ]  # fmt: skip
    return TokenGrid(
        name="strongest",
        subject=(view.subject,),
        title=say("neurons.strongest.title", "{model}: the tokens on which each is strongest", model=view.name),
        alt=say(
            "neurons.strongest.alt", "The strongest tokens in {model}: {units}", model=view.name, units=list_items(told)
        ),
        row_label=say("neurons.unit", "unit, and kinds of token among its strongest"),
        rows=[_row_name(unit) for unit in units],
        column_label=say("neurons.rank", "rank"),
        columns=[str(rank) for rank in range(1, columns + 1)],
        texts=texts,
        values=values,
        value_label=say("neurons.share", "activation, as a share of its largest"),
        outlined=np.zeros(values.shape, bool),
    )  # fmt: skip


def _row_name(unit: dict[str, object]) -> str:
    kinds = unit["kinds"]
    if not isinstance(kinds, float):
        return unit_label(unit)
    return say("neurons.with_kinds", "{unit}: {kinds}", unit=unit_label(unit), kinds=write_number(kinds, 2))


def _draw_strip(view: SubjectView, prompt: int) -> TokenGrid:
    """Each unit over the tokens of a text, a share of its largest there."""
    values = view.values(f"activations/{prompt}")
    start = max(int(np.isnan(values[0]).argmin()), values.shape[1] - WIDEST)
    values = np.nan_to_num(values[:, start:])
    shown = [row["token"] for row in view.rows("tokens") if row["prompt"] == prompt][start:]
    largest = np.maximum(np.abs(values).max(1, keepdims=True), 1e-12)
    quote = quote_prompts(view.outcome)[prompt]
    units = view.rows("units")
    return TokenGrid(
        name=f"strips-{prompt}",
        subject=(view.subject,),
        title=say("neurons.strips.title", "{model}: single units on “{prompt}”", model=view.name, prompt=quote),
        alt=say(
            "neurons.strips.alt",
            "In {model}, the token of “{prompt}” on which each is strongest: {units}",
            model=view.name,
            prompt=quote,
            units=list_items(
                [f"{unit_label(unit)}: {mark_space(shown[int(np.abs(row).argmax())])}"
                 for unit, row in zip(units, values, strict=True)]
            ),
        ),
        row_label=say("neurons.unit_alone", "unit"),
        rows=[unit_label(unit) for unit in units],
        column_label=say("figure.token", "token"),
        columns=shown,
        texts=[[write_cell(value) if value else "" for value in row] for row in values.tolist()],
        values=np.abs(values) / largest,
        value_label=say("neurons.strip_share", "size of the activation, as a share of its largest in the text"),
        outlined=np.zeros(values.shape, bool),
    )  # fmt: skip


def _draw_off(view: SubjectView) -> Curves:
    def curve(name: str, label: str) -> Curve:
        values: Sequence[float] = view.values(name).tolist()
        return Curve(label=label, x=list(range(len(values))), y=values, group=label)

    return describe_curves(
        view,
        name="off",
        title=say("neurons.off.title", "{model}: how many neurons are off", model=view.name),
        what=say("neurons.off", "share of neurons, mean over the tokens"),
        x_label=say("figure.block", "block"),
        curves=[
            curve("closed_by_block", say("neurons.closed", "closed (gives 0 or less)")),
            curve("silent_by_block", say("neurons.silent", "silent (≤ 1% of most)")),
        ],
        y_range=(0.0, 1.0),
    )
