"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from reportgen.figures.describe import Figure, TokenGrid
from reportgen.language import say, say_count
from reportgen.numerals import write_cell, write_change, write_number
from reportgen.probes.hidden_states import MOST_PROMPTS
from reportgen.probes.hidden_states.view import shown_tokens
from reportgen.probing.parts import describe_layer_grid
from reportgen.probing.probe import prompt_labels
from reportgen.probing.view import SubjectView
from reportgen.results.section import Section
from reportgen.text.characters import mark_space

WIDEST = 14
"""Columns of a grid."""
MOST_PARTS = 3
"""Grids that one prompt or pair is drawn in; the arrays have all of it."""
MOST_PAIRS = 4
"""Pairs that are drawn."""


def figures(section: Section) -> Iterable[Figure]:
    """Norms of the first prompts, then the differences of the first pairs, models side by side."""
    views = SubjectView.each(section)
    for number in range(MOST_PROMPTS):
        for view in views:
            if number < len(view.rows("prompts")):
                yield from _norm_grids(view, number)
    for number in range(MOST_PAIRS):
        for view in views:
            if number < len(view.rows("pairs")):
                yield from _difference_grids(view, number)


def _parts(count: int) -> list[slice]:
    """The columns of each grid of so many positions."""
    return [slice(at, min(at + WIDEST, count)) for at in range(0, count, WIDEST)][:MOST_PARTS]


def _part_title(what: str, part: slice, count: int) -> str:
    if count <= WIDEST:
        return what
    return say(
        "hidden_states.part",
        "{what} (positions {first}–{last})",
        what=what,
        first=part.start,
        last=part.stop - 1,
    )


def _norm_grids(view: SubjectView, prompt: int) -> Iterator[TokenGrid]:
    """Layers from the last at the top; colours on a logarithmic scale, or the longest alone would be seen."""
    array = view.outcome.arrays[f"norms/{prompt}"]
    norms, tokens = np.asarray(array.values, np.float64)[::-1], shown_tokens(view, prompt)
    positive = norms[norms > 0]
    low, high = (float(positive.min()), float(positive.max())) if positive.size else (1.0, 1.0)
    logs = np.log(np.clip(norms, low, None) / low)
    shades = logs / (float(logs.max()) or 1.0)
    label = prompt_labels(view.outcome)[prompt]
    for number, part in enumerate(_parts(len(tokens))):
        yield describe_layer_grid(
            view,
            name=f"norms-{prompt}-{number}",
            title=_part_title(
                say("hidden_states.norms.title", "{model}: norms in “{prompt}”", model=view.name, prompt=label),
                part,
                len(tokens),
            ),
            alt=say(
                "hidden_states.norms.alt",
                "Norm of the residual stream of {model} at every layer and position of “{prompt}”, from {low} to "
                "{high}; the longest is that of “{token}”",
                model=view.name,
                prompt=label,
                low=write_number(low, 2),
                high=write_number(high, 2),
                token=mark_space(tokens[int(norms.max(0).argmax())]),
            ),
            rows=reversed(array.along("layer")),
            column_label=say("hidden_states.position", "position"),
            columns=tokens[part],
            texts=[[write_cell(float(value)) for value in row[part]] for row in norms],
            values=shades[:, part],
            value_label=say(
                "hidden_states.norms.value",
                "norm on a logarithmic scale (0 = {low}, 1 = {high})",
                low=write_number(low, 2),
                high=write_number(high, 2),
            ),
        )


def _difference_grids(view: SubjectView, pair: int) -> Iterator[TokenGrid]:
    """Layers from the last at the top, each on a scale of its own; exact zeros are outlined."""
    array, record = view.outcome.arrays[f"differences/{pair}"], view.rows("pairs")[pair]
    values = np.asarray(array.values, np.float64)[::-1]
    largest = values.max(axis=1, keepdims=True)
    shades = values / np.where(largest > 0, largest, 1.0)
    a, b = (shown_tokens(view, record[which]) for which in ("prompt_a", "prompt_b"))
    columns = [one if one == two else f"{one}/{two}" for one, two in zip(a, b, strict=False)]
    labels = prompt_labels(view.outcome)
    both = {"a": labels[record["prompt_a"]], "b": labels[record["prompt_b"]]}
    before, after = write_change(record["prefix_difference"], record["difference"] or 0.0, significant=2)
    for number, part in enumerate(_parts(len(columns))):
        yield describe_layer_grid(
            view,
            name=f"differences-{pair}-{number}",
            title=_part_title(
                say("hidden_states.differences.title", "{model}: “{a}” against “{b}”", model=view.name, **both),
                part,
                len(columns),
            ),
            alt=say_count(
                "hidden_states.differences.alt",
                "Largest difference of the streams of {model} on “{a}” and “{b}”: {before} on the {count} token that "
                "they share, {after} at the next",
                "Largest difference of the streams of {model} on “{a}” and “{b}”: {before} on the {count} tokens that "
                "they share, {after} at the next",
                record["prefix"],
                model=view.name,
                before=before,
                after=after,
                **both,
            ),
            rows=reversed(array.along("layer")),
            column_label=say("hidden_states.position", "position"),
            columns=columns[part],
            texts=[[write_cell(float(value)) for value in row[part]] for row in values],
            values=shades[:, part],
            value_label=say("hidden_states.differences.value", "difference, as a share of the layer's largest"),
            outlined=values[:, part] == 0,
            outline_label=say("hidden_states.exact", "exactly 0"),
        )
