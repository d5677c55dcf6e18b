"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.figures.describe import Curve, Curves, Figure, TokenGrid
from reportgen.language import list_items, say, unit_of
from reportgen.probes.latent_language.view import ShownWord, find_example, language_names, shown_words, tell_way
from reportgen.probing.axes import Axis, fit_axes
from reportgen.probing.parts import describe_curves, describe_layer_grid
from reportgen.probing.view import SubjectView
from reportgen.results.section import Section
from reportgen.text.characters import mark_space


def figures(section: Section) -> Iterable[Figure]:
    """Curves of the languages, one lens table, and entropies; models side by side, on one scale if that hides none."""
    views = SubjectView.each(section)
    upper = [view.values("mean") + np.nan_to_num(view.values("margin")) for view in views]
    for view, axis in zip(views, _fit(upper), strict=True):
        yield _curves(view, axis)
    yield from _draw_shown(views)
    for view in views:
        yield _table(view)
    widest = [view.values("mean_entropy") + np.nan_to_num(view.values("entropy_margin")) for view in views]
    for view, axis in zip(views, _fit([of_one[None] for of_one in widest]), strict=True):
        yield _entropy(view, axis)


def _draw_shown(views: Sequence[SubjectView]) -> Iterable[Curves]:
    """Curves of each word asked for by name, models side by side."""
    of_sense: dict[str, list[tuple[SubjectView, ShownWord]]] = {}
    for view in views:
        for word in shown_words(view):
            of_sense.setdefault(word.sense, []).append((view, word))
    for number, shown in enumerate(of_sense.values()):
        for (view, word), axis in zip(shown, _fit([word.probability for _, word in shown]), strict=True):
            yield _word_curves(view, word, axis, number)


def _word_curves(view: SubjectView, word: ShownWord, axis: Axis, number: int) -> Curves:
    """One curve a language, of one word."""
    curves = [
        Curve(label=language, x=range(len(values)), y=values.tolist(), group=language)
        for language, values in zip(language_names(view), word.probability, strict=True)
    ]
    values = {"model": view.name, "word": word.source, "way": tell_way(view)}
    if word.in_mean:
        title = say("latent_language.word.title", "{model}: “{word}” in each language, {way}", **values)
    else:
        title = say(
            "latent_language.word_alone.title",
            "{model}: “{word}” in each language, {way}; not part of the mean",
            **values,
        )
    what = say("latent_language.probability", "probability of the word")
    return describe_curves(
        view,
        name=f"word-{number}",
        title=title,
        what=what,
        y_label=axis.name(what),
        curves=curves,
        y_range=axis.ends,
    )


def _fit(values: Sequence[NDArray[Any]]) -> list[Axis]:
    """The axis of each model, from 0 to what its bands (curve x layer) reach."""
    if not values:
        return []
    return fit_axes(values, [range(of_one.shape[1]) for of_one in values], from_zero=True)


def _curves(view: SubjectView, axis: Axis) -> Curves:
    """One curve a language."""
    mean, margin = view.values("mean"), view.values("margin")
    curves = [
        Curve(
            label=language,
            x=range(mean.shape[1]),
            y=mean[at].tolist(),
            group=language,
            band=_band(mean[at], margin[at], 1.0),
        )
        for at, language in enumerate(language_names(view))
    ]
    what = say("latent_language.probability", "probability of the word")
    return describe_curves(
        view,
        name="languages",
        title=say(
            "latent_language.curves.title",
            "{model}: the word in each language, {way}, mean of {count} with 95 % bands",
            model=view.name,
            way=tell_way(view),
            count=len(view.rows("items")),
        ),
        what=what,
        y_label=axis.name(what),
        curves=curves,
        y_range=axis.ends,
    )


def _band(
    mean: NDArray[np.float64], margin: NDArray[np.float64], highest: float
) -> tuple[Sequence[float], Sequence[float]] | None:
    """What the mean may be; None where a single word says nothing of it."""
    if not np.isfinite(margin).all():
        return None
    return np.clip(mean - margin, 0.0, highest).tolist(), np.clip(mean + margin, 0.0, highest).tolist()


def _entropy(view: SubjectView, axis: Axis) -> Curves:
    mean, margin = view.values("mean_entropy"), view.values("entropy_margin")
    what = say("latent_language.entropy", "entropy (nat)")
    curve = Curve(
        label=view.name,
        x=range(len(mean)),
        y=mean.tolist(),
        model=view.subject,
        band=_band(mean, margin, float(np.inf)),
    )
    return describe_curves(
        view,
        name="entropy",
        title=say("latent_language.entropy.title", "{model}: entropy, {way}", model=view.name, way=tell_way(view)),
        what=what,
        y_label=axis.name(what),
        curves=[curve],
        y_range=axis.ends,
    )


def _table(view: SubjectView) -> TokenGrid:
    """The likeliest tokens of every layer after one prompt, a column a rank."""
    records = view.rows("example")
    item, pivot = find_example(view)
    ranks = max(record["rank"] for record in records)
    layers = range(max(record["layer"] for record in records), -1, -1)
    at = {(record["layer"], record["rank"]): record for record in records}
    cells = [[at[layer, rank] for rank in range(1, ranks + 1)] for layer in layers]
    what = say("latent_language.example", "“{word}”, {way}", word=item["source"], way=tell_way(view))
    return describe_layer_grid(
        view,
        name="example",
        title=say("figure.of_model", "{model}: {what}", model=view.name, what=what),
        alt=say(
            "latent_language.example.alt",
            "Most likely tokens of every layer of {model} where {what} is asked for. The last layer says {answers}",
            model=view.name,
            what=what,
            answers=list_items([mark_space(str(cell["token"])) for cell in cells[0]]),
        ),
        rows=layers,
        column_label=say("latent_language.rank", "rank"),
        columns=[str(rank) for rank in range(1, ranks + 1)],
        texts=[[str(cell["token"]) for cell in row] for row in cells],
        values=np.array([[cell["probability"] for cell in row] for row in cells]),
        value_label=unit_of("probability"),
        outlined=np.array([[cell["token_id"] in pivot for cell in row] for row in cells]),
        outline_label=say(
            "latent_language.outline",
            "begins “{word}” ({language})",
            word=item["pivot"],
            language=language_names(view)[0],
        ),
    )  # fmt: skip
