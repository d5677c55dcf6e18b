"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from reportgen.figures.describe import Curve, Curves, Figure, TokenGrid
from reportgen.language import list_items, say, sentences
from reportgen.numerals import write_count, write_number, write_setting
from reportgen.probes.sae_quality.view import GOOD, View, name_number, name_place, token_count, write_quantity
from reportgen.results.section import Section

SHOWN = ("l0", "fvu", "cosine", "dead", "dense", "delta_loss", "loss_recovered")


def figures(section: Section) -> Iterable[Figure]:
    """All numbers; fidelity and sparsity over the layers; one against the other where a place has several."""
    views = View.each(section)
    for view in views:
        yield _numbers(view)
    for view in views:
        if view.lines:
            yield _fidelity(view)
    for view in views:
        if view.lines:
            yield _sparsity(view)
    for view in views:
        if view.crowded:
            yield from (_draw_fidelity_by_l0(view, number) for number in ("loss_recovered", "fvu"))


def _numbers(view: View) -> TokenGrid:
    """A row a dictionary, the last place at the top."""
    items = view.items[::-1]
    short = {
        "delta_loss": say("sae_quality.short_delta_loss", "Δ loss"),
        "loss_recovered": say("sae_quality.short_recovered", "recovered"),
    }
    unique = len({name_place(item) for item in items}) == len(items)
    rows = [name_place(item) if unique else f"{name_place(item)}: {item['name']}" for item in items]
    texts = [[write_quantity(number, item[number]) for number in SHOWN] for item in items]
    recovered = [
        say(
            "sae_quality.at",
            "{value}, {place}",
            place=row,
            value=write_quantity("loss_recovered", item["loss_recovered"]),
        )
        for row, item in zip(rows, items, strict=True)
    ]
    return TokenGrid(
        name="numbers",
        subject=(view.subject,),
        title=say("sae_quality.numbers.title", "{model}: its dictionaries in numbers", model=view.name),
        alt=say(
            "sae_quality.numbers.alt", "Loss recovered by the dictionaries of {model}: {values}", model=view.name,
            values=list_items(recovered),
        ),
        row_label=say("sae_quality.dictionary", "dictionary"),
        rows=rows,
        column_label=say("sae_quality.over", "over {tokens} tokens", tokens=write_count(token_count(view))),
        columns=[short.get(number) or name_number(number) for number in SHOWN],
        texts=texts,
        values=np.clip([[_shade(item, number) for number in SHOWN] for item in items], 0.0, 1.0),
        value_label=say(
            "sae_quality.shade",
            "the number; L0 as a share of the features, Δ loss (nat) of what zeros cost",
        ),
        outlined=np.zeros((len(items), len(SHOWN)), bool),
        sampleable=True,
    )  # fmt: skip


def _shade(item: Mapping[str, Any], number: str) -> float:
    """From 0 to 1."""
    if number == "l0":
        return float(item["l0"]) / int(item["features"])
    if number == "delta_loss":
        return 0.0 if item["loss_recovered"] is None else 1.0 - float(item["loss_recovered"])
    return 0.0 if item[number] is None else float(item[number])


def _curve(items: Sequence[Mapping[str, Any]], x: str, y: str, label: str, *, faint: bool = False) -> Curve:
    known = [item for item in items if item[x] is not None and item[y] is not None]
    return Curve(
        label=label, group=label, x=[item[x] for item in known], y=[float(item[y]) for item in known], faint=faint
    )


def _join_names(what: str, line: str) -> str:
    return f"{what}, {line}" if line else what


def _tell_points(curves: Iterable[Curve]) -> str:
    """All points, for who cannot see them."""
    return "; ".join(
        say(
            "sae_quality.curve.alt",
            "{curve}: {points}",
            curve=curve.label,
            points=list_items(
                [
                    say("sae_quality.point", "{y} at {x}", x=write_number(x), y=write_number(y))
                    for x, y in zip(curve.x, curve.y, strict=True)
                ]
            ),
        )
        for curve in curves
    )


def _curves(view: View, name: str, title: str, curves: Sequence[Curve], **labels: Any) -> Curves:
    drawn = [curve for curve in curves if curve.x]
    alt = sentences([f"{title}.", f"{_tell_points(drawn)}."])
    return Curves(name=name, subject=(view.subject,), title=title, alt=alt, curves=drawn, **labels)


def _fidelity(view: View) -> Curves:
    """Loss recovered and explained variance of each suite."""
    curves = [
        _curve(of, "index", number, _join_names(name_number(number), line))
        for line, of in view.lines.items()
        for number in ("loss_recovered", "explained_variance")
    ]
    low = min((y for curve in curves for y in curve.y), default=0.0)
    return _curves(
        view,
        "fidelity",
        say("sae_quality.fidelity.title", "{model}: how faithful the dictionaries are", model=view.name),
        curves,
        x_label=view.x_label,
        y_label=say("sae_quality.fidelity.y", "share of the loss recovered, of the variance explained"),
        y_range=(min(low, 0.0), 1.0),
        references={say("sae_quality.good", "{share} recovered", share=write_setting(GOOD)): GOOD},
    )


def _sparsity(view: View) -> Curves:
    """L0, and what the files state of it."""
    curves = []
    for line, of in view.lines.items():
        curves.append(_curve(of, "index", "l0", _join_names(name_number("l0"), line)))
        curves.append(_curve(of, "index", "l0_stated", _join_names(say("sae_quality.as_stated", "as stated"), line),
                             faint=True))  # fmt: skip
    highest = max((y for curve in curves for y in curve.y), default=1.0)
    return _curves(
        view,
        "sparsity",
        say("sae_quality.sparsity.title", "{model}: how many features fire on a token", model=view.name),
        curves,
        x_label=view.x_label,
        y_label=say("sae_quality.sparsity.y", "L0: features above 0 per token"),
        y_range=(0.0, highest),
    )


def _draw_fidelity_by_l0(view: View, number: str) -> Curves:
    """Sparsity against fidelity, a curve a place."""
    what = name_number(number)
    return _curves(
        view,
        "l0-" + number.replace("_", "-"),
        say("sae_quality.against.title", "{model}: sparsity against fidelity, {what}", model=view.name, what=what),
        [_curve(of, "l0", number, place) for place, of in view.crowded.items()],
        x_label=say("sae_quality.sparsity.y", "L0: features above 0 per token"),
        y_label=what,
    )
