"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from reportgen.figures.describe import Curve, Curves, Figure
from reportgen.language import list_items, say
from reportgen.numerals import write_number
from reportgen.probing.probe import axis_label
from reportgen.probing.view import SubjectView
from reportgen.results.section import Section


def figures(section: Section) -> Iterable[Figure]:
    """Raw and normalised curves of each model, on shared scales."""
    views = SubjectView.each(section)
    if not views:
        return
    for name, start in (("raw", 0), ("normalised", 1)):
        everything = [view.values(name)[:, start:] for view in views]
        shared = _range(everything)
        for view in views:
            yield _curves(view, name, start, shared)


def _range(values: Sequence[NDArray[np.float32]]) -> tuple[float, float]:
    flat = np.concatenate([v[np.isfinite(v)] for v in values])
    if not flat.size:
        return 0.0, 1.0
    low, high = float(np.nanmin(flat)), float(np.nanmax(flat))
    margin = 0.05 * max(high - low, 0.1)
    return low - margin, high + margin


def _curves(view: SubjectView, name: str, start: int, shared: tuple[float, float]) -> Curves:
    values = view.values(name)
    last = values.shape[1] - 1
    relative = view.options["axis"] == "relative"
    layers = [layer / last if relative else layer for layer in range(start, last + 1)]
    pairs = sorted(view.rows("pairs"), key=lambda r: (r["same_sense"] is not True, r["pair"]))
    with_same_sense = any(record["same_sense"] for record in pairs)
    curves = [
        Curve(
            label=_pair_label(record["prompt_a"], record["prompt_b"], record["same_sense"]),
            x=layers,
            y=values[record["pair"], start:].tolist(),
            model=view.subject,
            group=_sense_group(record["same_sense"]),
            faint=record["same_sense"] is False and with_same_sense,
        )
        for record in pairs
    ]
    what = _what(name)
    ends = [
        say("word_similarity.ends", "{curve} ends at {value}", curve=curve.label, value=write_number(curve.y[-1], 2))
        for curve in curves
    ]
    return Curves(
        name=name,
        subject=(view.subject,),
        title=say("figure.of_model", "{model}: {what}", model=view.name, what=_title_of_array(name)),
        alt=say(
            "word_similarity.alt",
            "{what} over the layers of {model}, one curve a pair of sentences: {ends}",
            what=what,
            model=view.name,
            ends=list_items(ends),
        ),
        x_label=axis_label(relative=relative),
        y_label=what,
        curves=curves,
        references=_reference(view, name),
        y_range=shared,
        x_range=(0.0, 1.0 if relative else float(last)),
    )


def _what(name: str) -> str:
    if name == "raw":
        return say("word_similarity.raw", "cosine")
    return say("word_similarity.normalised", "normalised cosine")


def _title_of_array(name: str) -> str:
    """What the curves show, in a few words."""
    if name == "raw":
        return say("word_similarity.raw.title", "how alike the word's vectors are (cosine)")
    return say("word_similarity.normalised.title", "how alike, other words set aside (normalised cosine)")


def _reference(view: SubjectView, name: str) -> Mapping[str, float]:
    if name == "raw":
        return {say("word_similarity.same_vector", "same vector"): 1.0}
    if view.options["normalise"] == "divide_mean":
        return {say("word_similarity.average_pair", "average pair"): 1.0}
    return {say("word_similarity.random_words", "random words"): 0.0}


def _pair_label(a: int, b: int, same: bool | None) -> str:
    if same is None:
        return f"{a}–{b}"
    if same:
        return say("word_similarity.pair_same", "{a}–{b} same", a=a, b=b)
    return say("word_similarity.pair_different", "{a}–{b} different", a=a, b=b)


def _sense_group(same: bool | None) -> str:
    if same is None:
        return ""
    if same:
        return say("word_similarity.same_sense", "same sense")
    return say("word_similarity.different_sense", "different sense")
