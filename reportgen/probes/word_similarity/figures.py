"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.figures.describe import Curve, Curves, Figure
from reportgen.language import list_items, say
from reportgen.numerals import write_count, write_number
from reportgen.probing.axes import Axis, fit_axes
from reportgen.probing.probe import axis_label, place_layers
from reportgen.probing.view import SubjectView
from reportgen.results.section import Section

MOST_CURVES = 15
"""Pairs up to which each has a curve of its own."""
SHOWN = 10
"""Characters of a sentence that the name of a curve holds, where it has neither an id nor a sense."""


def figures(section: Section) -> Iterable[Figure]:
    """Raw and normalised curves of each model, on shared scales."""
    views = SubjectView.each(section)
    if not views:
        return
    for name, start in (("raw", 0), ("normalised", 1)):
        everything = [view.values(name)[:, start:] for view in views]
        layers = [range(start, start + values.shape[1]) for values in everything]
        for view, axis in zip(views, fit_axes(everything, layers, cut=name == "normalised"), strict=True):
            yield _curves(view, name, start, axis)


def _curves(view: SubjectView, name: str, start: int, axis: Axis) -> Curves:
    values = view.values(name)
    last = values.shape[1] - 1
    relative = view.options["axis"] == "relative"
    layers = place_layers(last + 1, relative=relative)[start:]
    pairs = sorted(view.rows("pairs"), key=lambda r: (r["same_sense"] is not True, r["pair"]))
    banded = len(pairs) > MOST_CURVES
    draw = _draw_groups if banded else _draw_pairs
    curves = draw(view, pairs, values[:, start:], layers)
    what, title = _what(name), _title_of_array(view, name)
    if banded:
        title = say(
            "word_similarity.banded", "{what}, median and band from the 10th to the 90th percentile", what=title
        )
    ends = [
        say("word_similarity.ends", "{curve} ends at {value}", curve=curve.label, value=write_number(curve.y[-1], 2))
        for curve in curves
    ]
    return Curves(
        name=name,
        subject=(view.subject,),
        title=say("figure.of_model", "{model}: {what}", model=view.name, what=title),
        alt=_read_out(view, what, list_items(ends), banded=banded),
        x_label=axis_label(relative=relative),
        y_label=axis.name(what),
        curves=curves,
        references=_reference(view, name),
        y_range=axis.ends,
        x_range=(0.0, 1.0 if relative else float(last)),
    )


def _draw_pairs(
    view: SubjectView, pairs: Sequence[Mapping[str, Any]], values: NDArray[Any], layers: Sequence[float]
) -> list[Curve]:
    """A curve a pair; `values` is (pair x layer)."""
    with_same_sense = any(record["same_sense"] for record in pairs)
    return [
        Curve(
            label=_label_pair(view, record["prompt_a"], record["prompt_b"]),
            x=layers,
            y=values[record["pair"]].tolist(),
            model=view.subject,
            group=_sense_group(record["same_sense"]) or view.name,
            faint=record["same_sense"] is False and with_same_sense,
        )
        for record in pairs
    ]


def _draw_groups(
    view: SubjectView, pairs: Sequence[Mapping[str, Any]], values: NDArray[Any], layers: Sequence[float]
) -> list[Curve]:
    """The median of the pairs of each kind, with a band of most of them; `values` is (pair x layer). Pairs share their
    sentences, so that they are no sample from which an interval of the mean could be drawn.
    """
    kinds = list(dict.fromkeys(record["same_sense"] for record in pairs))
    curves = []
    for same in kinds:
        own = values[[record["pair"] for record in pairs if record["same_sense"] is same]]
        low, middle, high = np.nanquantile(own, (0.1, 0.5, 0.9), axis=0).tolist()
        group = _sense_group(same)
        count = write_count(len(own))
        label = (
            say("word_similarity.group", "{sense}, {count} pairs", sense=group, count=count)
            if group
            else say("word_similarity.all_pairs", "{count} pairs", count=count)
        )
        curves.append(
            Curve(label=label, x=layers, y=middle, model=view.subject, group=group or view.name, band=(low, high),
                  faint=same is False and len(kinds) > 1)
        )  # fmt: skip
    return curves


def _read_out(view: SubjectView, what: str, ends: str, *, banded: bool) -> str:
    """The curves, for who cannot see them."""
    if banded:
        return say(
            "word_similarity.alt_banded",
            "{what} over the layers of {model}, the median of the pairs of sentences of each kind: {ends}",
            what=what,
            model=view.name,
            ends=ends,
        )
    return say(
        "word_similarity.alt",
        "{what} over the layers of {model}, one curve per pair of sentences: {ends}",
        what=what,
        model=view.name,
        ends=ends,
    )


def _what(name: str) -> str:
    if name == "raw":
        return say("word_similarity.raw", "cosine")
    return say("word_similarity.normalised", "normalised cosine")


def _title_of_array(view: SubjectView, name: str) -> str:
    """What the curves show, in a few words."""
    rows = view.rows("words") if "words" in view.outcome.tables else []
    words = {str(row["word"]) for row in rows}
    if name == "raw" and len(words) == 1:
        return say("word_similarity.raw.title_of", "similarity of the vectors of “{word}” (cosine)", word=words.pop())
    if name == "raw":
        return say("word_similarity.raw.title", "similarity of the word's vectors (cosine)")
    return say("word_similarity.normalised.title", "similarity of the word, divided by the sentences' mean similarity")


def _reference(view: SubjectView, name: str) -> Mapping[str, float]:
    if name == "raw":
        return {say("word_similarity.same_vector", "same vector"): 1.0}
    if view.options["normalise"] == "divide_mean":
        return {say("word_similarity.average_pair", "average pair"): 1.0}
    return {say("word_similarity.random_words", "random words"): 0.0}


def _label_pair(view: SubjectView, a: int, b: int) -> str:
    """Which two sentences a curve is about: by what their author calls them or by their ids, else by their numbers in
    the list of prompts and by what tells them apart.
    """
    texts = view.column("prompts", "text")
    asked = view.options.get("prompts") or [{} for _ in texts]
    ids = [view.outcome.titles.get(asked[at].get("id") or asked[at].get("text"), asked[at].get("id")) for at in (a, b)]
    if all(ids):
        return say("word_similarity.pair_of_ids", "{a} – {b}", a=ids[0], b=ids[1])
    senses = [asked[at].get("sense") for at in (a, b)]
    if not all(senses):
        senses = [_shorten(str(texts[at])) for at in (a, b)]
    if senses[0] == senses[1]:
        return say("word_similarity.pair_of_sense", "{a}–{b} {sense}", a=a, b=b, sense=senses[0])
    return say("word_similarity.pair", "{a}–{b} {one} | {other}", a=a, b=b, one=senses[0], other=senses[1])


def _shorten(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1].rstrip()}…"


def _sense_group(same: bool | None) -> str:
    if same is None:
        return ""
    if same:
        return say("word_similarity.same_sense", "same sense")
    return say("word_similarity.different_sense", "different sense")
