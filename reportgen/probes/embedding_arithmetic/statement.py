"""The rule of its sentence."""

from __future__ import annotations

import numpy as np

from reportgen.language import say, sentences
from reportgen.numerals import write_change, write_count
from reportgen.numerics.analogy import says_something
from reportgen.probes.embedding_arithmetic.view import CHANCE, tell_place
from reportgen.probing.view import SubjectView

PARALLEL = 0.2
"""Mean cosine from which differences beyond chance are called parallel."""


def tell(view: SubjectView) -> str:
    """How many analogies succeed, and whether differences are more parallel than those of random pairs."""
    told = [_tell_success(view), _tell_parallelism(view)]
    if not any(told):
        return say(
            "embedding_arithmetic.no_clear_statement",
            "No clear statement about {model}: it has no analogy with an expected word, and no two pairs of a group.",
            model=view.name,
        )
    return say("embedding_arithmetic.of_model", "{place}: {told}", place=tell_place(view), told=sentences(told))


def _tell_success(view: SubjectView) -> str:
    asked = [one for one in view.rows("analogies") if one["rank"] is not None]
    if not asked:
        return ""
    fewest = min(one["candidates"] for one in asked)
    values = {
        "first": sum(one["rank"] <= 1 for one in asked),
        "five": sum(one["rank"] <= 5 for one in asked),
        "all": len(asked),
        "candidates": write_count(max(one["candidates"] for one in asked)),
    }
    if not says_something(1, fewest):
        return say(
            "embedding_arithmetic.no_choice",
            "of {all} analogies a − b + c, some have no candidate but the expected word, which says nothing.",
            **values,
        )
    if not says_something(5, fewest):
        return say(
            "embedding_arithmetic.first_seen",
            "of {all} analogies a − b + c, {first} end nearest to the expected of {candidates} words (too few words to "
            "count the nearest five).",
            **values,
        )
    return say(
        "embedding_arithmetic.success_seen",
        "of {all} analogies a − b + c, {first} end nearest to the expected of {candidates} words, and {five} have it "
        "among the nearest five.",
        **values,
    )


def _tell_parallelism(view: SubjectView) -> str:
    """Whether differences of a group are parallel, beyond random pairs of the same words."""
    mean = view.metric("parallelism")
    if mean is None:
        return ""
    at = view.along("parallel", "layer").index(int(view.metric("best_layer") or 0))
    _, high = np.quantile(view.values("control")[:, at], CHANCE)
    told_mean, told_high = write_change(mean, float(high), significant=2)
    values = {"mean": told_mean, "high": told_high}
    if mean <= high:
        return say(
            "embedding_arithmetic.not_parallel",
            "Differences of word pairs are no more parallel (mean cosine {mean}) than those of random pairs of the "
            "same words (up to {high}).",
            **values,
        )
    if mean < PARALLEL:
        return say(
            "embedding_arithmetic.hardly_parallel",
            "Differences of word pairs are hardly parallel: mean cosine {mean}, random pairs of the same words up to "
            "{high}.",
            **values,
        )
    return say(
        "embedding_arithmetic.parallel_seen",
        "Differences of word pairs are parallel: mean cosine {mean}, random pairs of the same words up to {high}.",
        **values,
    )
