"""What its figures show."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.figures.describe import Curve, Curves, Figure, Ranking, Rankings, TokenGrid
from reportgen.language import list_items, say, unit_of
from reportgen.numerals import write_cell, write_change, write_number, write_setting
from reportgen.numerics.resampling import band_95
from reportgen.probes.steering.refusal_figures import draw_refusals
from reportgen.probes.steering.view import View, cells_of
from reportgen.probing.axes import Axis, fit_axes, fit_scales
from reportgen.probing.parts import describe_curves, describe_layer_grid
from reportgen.probing.steering_score import (
    MOST_SHOWN,
    WIDEST,
)
from reportgen.results.section import Section
from reportgen.text.function_words import listed_language, telling_words
from reportgen.text.refusals import is_refusal
from reportgen.text.word_pieces import pieces_of
from reportgen.text.wording import script_share, words_of


def figures(section: Section) -> Iterable[Figure]:
    """Refusals before and after, if they are asked for; the sweep and its price with the controls next to them, curves
    of the chosen coefficient, before and after in numbers and in words.
    """
    views = View.each(section)
    asked = [view for view in views if view.shares_refused("harmful")]
    if asked:
        yield draw_refusals(asked)
    ends = _ends([value for view in views for value in view.all_scores], views[0].kind if views else "tokens")
    # Of the sweep alone: a random direction may cost many times as much, and nothing else would be seen.
    dearest = max((value for view in views for value in view.finite_values("kl")), default=0.0) or 1.0
    for view, scale in zip(views, fit_scales([_cells(view) for view in views], ends), strict=True):
        yield _sweep(view, scale)
    prices = fit_scales([list(view.finite_values("kl")) for view in views], (0.0, dearest), from_zero=True)
    for view, scale in zip(views, prices, strict=True):
        yield _price(view, scale)
    with_layers = [view for view in views if len(view.layers) > 1]
    if with_layers:
        drawn = [np.array([*(values for _, values in _lines(view)), *(_find_band(view) or ())]) for view in with_layers]
        axes = fit_axes(drawn, [view.layers for view in with_layers])
        for view, axis in zip(with_layers, axes, strict=True):
            yield _draw_over_layers(view, axis)
    for view in views:
        yield _draw_before_and_after(view, ends)
    for view in views:
        if view.rows("texts"):
            yield _draw_side_by_side(view)
    for view in asked:
        yield _draw_answers(view)


def _ends(values: Sequence[float], kind: str) -> tuple[float, float]:
    """The scale that all models share: a share goes from 0 to 1."""
    if kind in ("language", "script"):
        return 0.0, 1.0
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    if kind == "tokens":
        low = 0.0
    return (low, high) if high > low else (low, low + 1.0)


def _cells(view: View) -> list[float]:
    """All scores of the sweep, its controls among them."""
    _, values = view.columns("score")
    return [float(value) for value in values.ravel() if np.isfinite(value)]


def _draw_grid(view: View, name: str, title: str, alt: str, label: str, ends: tuple[float, float]) -> TokenGrid:
    """Layers from the last at the top, a column a coefficient, the controls behind them."""
    columns, values = view.columns("score" if name == "sweep" else "kl")
    low, high = ends
    upwards = values[::-1]
    outlined = np.zeros(upwards.shape, bool)
    at, item, _ = view.chosen
    outlined[len(values) - 1 - at, item] = True
    return describe_layer_grid(
        view,
        name=name,
        title=title,
        alt=alt,
        row_label=say("steering.layer", "layer that is changed (0 = embedding)")
        if not view.ablated
        else say("steering.layer_read", "layer from which the direction comes (0 = embedding)"),
        rows=reversed(view.layers),
        column_label=say("steering.columns", "times the direction, then controls"),
        columns=columns,
        texts=[["" if value != value else write_cell(value) for value in row] for row in upwards],
        values=np.clip((upwards - low) / (high - low), 0.0, 1.0),
        value_label=label,
        outlined=outlined,
        outline_label=_outline(view),
    )


def _outline(view: View) -> str:
    if view.chosen[2]:
        return say("steering.chosen", "chosen")
    return say("steering.best_of_none", "best score; does not qualify")


def _scale(label: str, scale: Axis) -> str:
    if scale.ends == (0.0, 1.0):
        return label
    low, high = write_change(*scale.ends, significant=2)
    told = say("steering.scale", "{what} (0 = {low}, 1 = {high})", what=label, low=low, high=high)
    return ", ".join([told, *scale.notes])


def _sweep(view: View, scale: Axis) -> TokenGrid:
    title = say("steering.sweep.title", "{model}: {score}", model=view.name, score=view.score_label)
    four = cells_of(view)
    before, after = write_change(four["unsteered"], four["steered"], significant=2)
    alt = say(
        "steering.sweep.alt",
        "{score} of {model} at every layer and coefficient, from {low} to {high}; {before} unsteered, {after} in "
        "the outlined cell: {done}",
        score=view.score_label,
        model=view.name,
        low=write_number(min(view.all_scores, default=0.0), 2),
        high=write_number(max(view.all_scores, default=0.0), 2),
        before=before,
        after=after,
        done=view.done,
    )
    return _draw_grid(view, "sweep", title, alt, _scale(view.score_label, scale), scale.ends)


def _price(view: View, scale: Axis) -> TokenGrid:
    label = say("steering.price", "KL to the unsteered model, next token, {unit}", unit=unit_of("nat"))
    title = say("steering.price.title", "{model}: the cost (KL to the unsteered model)", model=view.name)
    at, item, _ = view.chosen
    alt = say(
        "steering.price.alt",
        "{price} in {model} at every layer and coefficient, up to {high}; {value} in the outlined cell",
        price=label,
        model=view.name,
        high=write_number(max(view.all_prices, default=0.0), 2),
        value=write_number(float(view.values("kl")[at, item]), 2),
    )
    high = write_number(scale.ends[1], 2)
    told = say("steering.price.scale", "{what} (1 = {high} or more)", what=label, high=high)
    return _draw_grid(view, "price", title, alt, ", ".join([told, *scale.notes]), scale.ends)


def _lines(view: View) -> list[tuple[str, NDArray[Any]]]:
    """(name, values over the layers) of the chosen coefficient, and of its controls where they have one a layer."""
    _, item, _ = view.chosen
    steered = say("steering.ablated", "ablated") if view.ablated else say("steering.steered", "steered")
    lines = [(steered, view.values("score")[:, item])]
    if not view.ablated:
        lines += zip(view.control_names, view.values("control_score"), strict=True)
    return lines


def _find_band(view: View) -> tuple[list[float], list[float]] | None:
    """Ends of the 95 % interval of the first of these lines over the held-out prompts, if there are enough."""
    if "scores" not in view.outcome.arrays:
        return None
    return band_95(view.values("scores")[:, :, view.chosen[1]])


def _draw_over_layers(view: View, axis: Axis) -> Curves:
    """The chosen coefficient at every layer, with its controls; what has one number only is a reference."""
    at, *_ = view.chosen
    references = {say("steering.unsteered", "unsteered"): float(view.values("score")[at, view.zero])}
    if view.ablated:
        controls = zip(view.control_names, view.values("control_score"), strict=True)
        references |= {name: float(values[at]) for name, values in controls}
    band = _find_band(view)
    curves = [
        Curve(label=name, x=view.layers, y=values.tolist(), group=name, band=None if number else band)
        for number, (name, values) in enumerate(_lines(view))
        if np.isfinite(values).any()
    ]
    title = say("steering.layers.title", "{model}: layer by layer, {done}", model=view.name, done=_coefficient(view))
    if band is not None:
        count = len(view.values("scores"))
        title = say("steering.layers.banded", "{title} (95 % band over {count} prompts)", title=title, count=count)
    return describe_curves(
        view,
        name="layers",
        title=title,
        what=view.score_label,
        curves=curves,
        references={name: value for name, value in references.items() if np.isfinite(value)},
        y_label=axis.name(view.score_label),
        y_range=axis.ends,
    )


def _coefficient(view: View) -> str:
    if view.ablated:
        return say("steering.taken_out", "the direction taken out")
    factor = view.rows("chosen")[0]["coefficient"]
    return say("steering.times", "{factor} × the direction", factor=write_setting(factor))


def _draw_before_and_after(view: View, ends: tuple[float, float]) -> Rankings:
    """The bars of the paper: as it is, steered, and the controls; models side by side on one scale."""
    names = list(_names_of_cells(view).values())
    values = list(cells_of(view).values())
    told = [
        say("steering.bar", "{name} {value}", name=name, value=write_number(value, 2))
        for name, value in zip(names, values, strict=True)
    ]
    return Rankings(
        name="before-after",
        subject=(view.subject,),
        title=say("steering.before_after", "{model}: before and after", model=view.name),
        alt=say(
            "steering.before_after.alt",
            "{score} of {model}: {bars}",
            score=view.score_label,
            model=view.name,
            bars=list_items(told),
        ),
        rankings=[Ranking(title=view.done, labels=names, values=values)],
        value_label=view.score_label,
        value_range=ends,
        model=view.subject,
    )


def _draw_side_by_side(view: View) -> TokenGrid:
    """The texts after the first prompts."""
    rows = view.rows("texts")[:MOST_SHOWN]
    openings = list_items([say("text.quoted", "“{text}”", text=row["opening"]) for row in rows])
    return _draw_first_words(
        view,
        rows,
        _names_of_cells(view),
        name="texts",
        title=say("steering.texts.title", "{model}: what is written, {done}", model=view.name, done=view.done),
        alt=say(
            "steering.texts.alt",
            "The first words that {model} writes after {openings}, unsteered, steered, and with the controls",
            model=view.name,
            openings=openings,
        ),
        value_label=_telling_label(view),
        tell=lambda _, piece: _tells(view, piece),
    )


def _draw_answers(view: View) -> TokenGrid:
    """The answers to the first harmless requests."""
    rows = view.rows("answers")[:MOST_SHOWN]
    names = {
        "unsteered": say("steering.unsteered", "unsteered"),
        "steered": say("steering.added", "added"),
        "random": view.control_names[0],
    }
    requests = list_items([say("text.quoted", "“{text}”", text=row["request"]) for row in rows])
    return _draw_first_words(
        view,
        rows,
        names,
        name="answers",
        title=say("steering.answers.title", "{model}: what it answers to harmless requests", model=view.name),
        alt=say(
            "steering.answers.alt",
            "The first words that {model} answers to {requests}, unsteered, with the direction added, and with a "
            "random one added",
            model=view.name,
            requests=requests,
        ),
        value_label=say("steering.answers.label", "1: an answer that refuses"),
        tell=lambda text, piece: float(bool(piece) and is_refusal(text)),
    )


def _draw_first_words(
    view: View,
    rows: Sequence[dict[str, Any]],
    names: dict[str, str],
    *,
    name: str,
    title: str,
    alt: str,
    value_label: str,
    tell: Callable[[str, str], float],
) -> TokenGrid:
    """The first words of texts, line by line; the table has them whole. `tell` gives the value of a word of a text."""
    whole = [row[column] for row in rows for column in names]
    labels = [
        f"{row['prompt']} {label}" if column == "unsteered" else label
        for row in rows
        for column, label in names.items()
    ]
    cut = [pieces_of(text)[:WIDEST] for text in whole]
    columns = max(map(len, cut)) or 1
    texts = [[*pieces, *[""] * (columns - len(pieces))] for pieces in cut]
    return TokenGrid(
        name=name,
        subject=(view.subject,),
        title=title,
        alt=alt,
        row_label=say("steering.texts.rows", "number of the prompt, and how it is steered"),
        rows=labels,
        column_label=say("steering.texts.columns", "the first words of the text"),
        columns=[str(at + 1) for at in range(columns)],
        texts=texts,
        values=np.array([[tell(text, piece) for piece in row] for text, row in zip(whole, texts, strict=True)]),
        value_label=value_label,
        outlined=np.zeros((len(texts), columns), bool),
    )


def _names_of_cells(view: View) -> dict[str, str]:
    """Columns of the texts, and what they are called."""
    steered = say("steering.ablated", "ablated") if view.ablated else say("steering.steered", "steered")
    return dict(
        zip(
            ("unsteered", "steered", *view.controls),
            (say("steering.unsteered", "unsteered"), steered, *view.control_names),
            strict=True,
        )
    )


def _tells(view: View, piece: str) -> float:
    """1 for a word that the score is about."""
    (kind, what), *_ = view.options["score"].items()
    words = words_of(piece)
    if kind == "language":
        return float(any(word in telling_words()[listed_language(what)] for word in words))
    if kind == "script":
        share = script_share(piece, what)
        return share if share == share else 0.0
    return float(kind == "tokens" and any(word in [one.strip().casefold() for one in what] for word in words))


def _telling_label(view: View) -> str:
    (kind, what), *_ = view.options["score"].items()
    if kind == "language":
        return say(
            "steering.texts.language", "1: a word that only {tag} has, among those that identify a language", tag=what
        )
    if kind == "script":
        return view.score_label
    if kind == "tokens":
        return say("steering.texts.tokens", "1: one of the words of the score")
    return say("steering.texts.nothing", "nothing in these texts is scored")
