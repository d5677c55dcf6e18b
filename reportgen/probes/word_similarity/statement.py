"""The rule of its sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.figures.describe import Curves, Figure
from reportgen.language import say, sentences
from reportgen.numerals import write_depth, write_number, write_setting
from reportgen.probing.view import SubjectView
from reportgen.probing.word_fits import refuse_verdict, tell_parts, tell_refusal_briefly

CLEAR_GAP = 0.02
"""Difference of mean cosines from which the senses count as told apart."""
CLEAR_FALL = 0.1
"""Fall of the mean cosine below 1 from which sentences without senses count as told apart."""


def tell(view: SubjectView) -> str:
    """From which layer on the senses are apart, and where most; without senses, where the sentences are."""
    if refusal := refuse_verdict(view):
        return refusal
    return sentences([_tell_verdict(view), tell_parts(view)])


def _tell_verdict(view: SubjectView) -> str:
    senses = [record["same_sense"] for record in view.rows("pairs")]
    raw = view.values("raw")
    alike, other = [i for i, s in enumerate(senses) if s is True], [i for i, s in enumerate(senses) if s is False]
    if alike and other:
        gaps = raw[alike].mean(0) - raw[other].mean(0)
        told = _tell_senses(view.name, gaps)
        return sentences([told, _tell_overlap(raw[alike], raw[other], int(gaps.argmax()))])
    return _tell_sentences(view.name, raw.mean(0))


def _tell_senses(name: str, gaps: NDArray[Any]) -> str:
    """Where pairs of one sense are more alike than the others: `gaps` is (layer) the difference of mean cosines."""
    best, last = int(gaps.argmax()), len(gaps) - 1
    values = {"model": name, "layer": best, "last": last, "gap": write_number(gaps[best], 2)}
    if gaps[best] < CLEAR_GAP:
        return say(
            "word_similarity.no_clear_statement",
            "No clear statement about {model}: at no layer are sentences of one sense more alike than the others by "
            "{threshold} or more.",
            model=name,
            threshold=write_setting(CLEAR_GAP),
        )
    below = np.flatnonzero(gaps < CLEAR_GAP)
    first = int(below[-1]) + 1 if len(below) else 0
    if first > last:
        return say(
            "word_similarity.senses_apart_below",
            "{model} tells the senses apart best at layer {layer} of {last} (sentences of one sense are {gap} more "
            "alike in cosine than the others) and no longer at the end.",
            **values,
        )
    if best == last:
        return say(
            "word_similarity.senses_apart_most_at_end",
            "{model} tells the senses apart from layer {first} on, most clearly at the last, {last}: sentences of one "
            "sense are {gap} more alike there (cosine) than the others.",
            first=first,
            **values,
        )
    return say(
        "word_similarity.senses_apart",
        "{model} tells the senses apart from layer {first} of {last} on, most clearly at layer {layer}: sentences of "
        "one sense are {gap} more alike there (cosine) than the others.",
        first=first,
        **values,
    )


def _tell_overlap(alike: NDArray[Any], other: NDArray[Any], layer: int) -> str:
    """That single pairs do not follow their means, which few pairs make; `alike` and `other` are (pair x layer)."""
    same, different = float(alike[:, layer].min()), float(other[:, layer].max())
    written = [write_number(value, 3) for value in (same, different)]
    if different <= same or written[0] == written[1] or alike.mean(0)[layer] - other.mean(0)[layer] < CLEAR_GAP:
        return ""
    return say(
        "word_similarity.overlap",
        "That is on average: at layer {layer} a pair of different senses reaches {different}, above a pair of one "
        "sense with {same}.",
        layer=layer,
        different=written[1],
        same=written[0],
    )


def _tell_sentences(name: str, means: NDArray[Any]) -> str:
    """Where the word differs most between the sentences: `means` is (layer) the mean cosine of all pairs."""
    lowest, last = int(means.argmin()), len(means) - 1
    values = {"model": name, "layer": lowest, "last": last, "cosine": write_number(means[lowest], 2)}
    if means[lowest] > 1 - CLEAR_FALL:
        return say(
            "word_similarity.no_clear_fall",
            "No clear statement about {model}: the word stays much the same in all sentences (mean cosine {cosine} or "
            "more).",
            model=name,
            cosine=values["cosine"],
        )
    return say(
        "word_similarity.sentences_apart",
        "{model} tells the sentences apart most at layer {layer} of {last}, where the word has a mean cosine of "
        "{cosine} between them.",
        **values,
    )


def tell_figure(view: SubjectView, figure: Figure) -> str:
    """What the normalised curves show: where they tell the senses, or without senses the sentences, apart most."""
    if figure.name != "normalised" or refuse_verdict(view):
        return ""
    senses = [record["same_sense"] for record in view.rows("pairs")]
    values = view.values("normalised")[:, 1:]  # the embedding has no context to divide by
    if not np.isfinite(values).all():
        return ""
    alike, other = [i for i, s in enumerate(senses) if s is True], [i for i, s in enumerate(senses) if s is False]
    where = {"model": view.name, "last": values.shape[1]}
    if not (alike and other):
        means = values.mean(0)
        lowest = int(means.argmin())
        return say(
            "word_similarity.normalised_lowest",
            "Set against what words in general have in common in {model}, the word differs most between the sentences "
            "at layer {layer} of {last}: {value}.",
            layer=lowest + 1,
            value=write_number(means[lowest], 3),
            **where,
        )
    same, different = values[alike].mean(0), values[other].mean(0)
    # Of layers that the axis cuts off nobody sees the curves.
    top = figure.y_range[1] if isinstance(figure, Curves) and figure.y_range is not None else np.inf
    best = int(np.where((values <= top).all(0), same - different, -np.inf).argmax())
    # What is divided by a small mean may be far apart and next to the same: the cosines themselves decide.
    raw = view.values("raw")[:, 1 + best]
    if min(same[best] - different[best], raw[alike].mean() - raw[other].mean()) < CLEAR_GAP:
        return ""
    return say(
        "word_similarity.normalised_senses",
        "Set against what words in general have in common in {model}, the senses are furthest apart at layer {layer} "
        "of {last}: {same} within a sense, {different} between senses.",
        layer=best + 1,
        same=write_number(same[best], 3),
        different=write_number(different[best], 3),
        **where,
    )


def tell_briefly(view: SubjectView) -> str:
    """Where the senses, or without senses the sentences, are told apart most, and by how much."""
    if refuse_verdict(view):
        return tell_refusal_briefly()
    senses = [record["same_sense"] for record in view.rows("pairs")]
    raw = view.values("raw")
    alike, other = [i for i, s in enumerate(senses) if s is True], [i for i, s in enumerate(senses) if s is False]
    if not (alike and other):
        means = raw.mean(0)
        lowest = int(means.argmin())
        values = {"depth": write_depth(lowest, raw.shape[1] - 1), "cosine": write_number(means[lowest], 2)}
        return say("word_similarity.brief_sentences", "least alike at layer {depth}: cosine {cosine}", **values)
    gaps = raw[alike].mean(0) - raw[other].mean(0)
    best = int(gaps.argmax())
    if gaps[best] < CLEAR_GAP:
        return say("word_similarity.brief_none", "senses not told apart")
    values = {"depth": write_depth(best, raw.shape[1] - 1), "gap": write_number(gaps[best], 2)}
    return say("word_similarity.brief", "senses furthest apart at layer {depth}: cosine +{gap}", **values)
