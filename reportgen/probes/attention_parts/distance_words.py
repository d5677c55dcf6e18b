"""The rule of what is said of scores at growing distance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reportgen.language import list_items, say, say_count, sentences
from reportgen.numerals import write_change, write_count, write_number
from reportgen.probes.attention_parts.view import PairAtHead, pairs_of_head
from reportgen.probing.view import SubjectView

SAME = 1e-3
"""Difference of two scores without positions, as a share of the larger, up to which they are called the same."""


def tell_distances(view: SubjectView, block: int, head: int) -> list[str]:
    """What two words score with and without positions; near and far beside each other, where two prompts have them."""
    pairs = pairs_of_head(view, block, head)
    told = []
    for words in dict.fromkeys((pair.query, pair.key) for pair in pairs):
        of_words = [pair for pair in pairs if (pair.query, pair.key) == words]
        told.append(_tell_words(view, f"{block}.{head}", of_words))
    return told


def _tell_words(view: SubjectView, head: str, pairs: Sequence[PairAtHead]) -> str:
    values = {"model": view.name, "head": head, "query": pairs[0].query, "key": pairs[0].key}
    before = [pair.without_positions for pair in pairs]
    if len(pairs) > 1 and np.ptp(before) <= SAME * max(map(abs, before)):
        return say(
            "attention_parts.distance.same",
            "In head {head} of {model}, “{query}” and “{key}” would score {before} without positions, near or far; "
            "with positions they score {after}.",
            before=write_number(before[0]),
            after=list_items([_tell_after(pair) for pair in pairs]),
            **values,
        )
    return sentences(_tell_one(pair, values) for pair in pairs)


def _tell_one(pair: PairAtHead, values: dict[str, str]) -> str:
    known = pair.curve[np.isfinite(pair.curve)]
    low, high = (float(known.min()), float(known.max())) if known.size else (None, None)
    before, after = write_change(pair.without_positions, pair.with_positions)
    return say_count(
        "attention_parts.distance.told",
        "In head {head} of {model}, “{query}” and “{key}” in “{prompt}” score {before} without positions and {after} "
        "with them, {count} token apart; at other distances from {low} to {high}.",
        "In head {head} of {model}, “{query}” and “{key}” in “{prompt}” score {before} without positions and {after} "
        "with them, {count} tokens apart; at other distances from {low} to {high}.",
        pair.distance,
        prompt=pair.prompt,
        before=before,
        after=after,
        low=write_number(low),
        high=write_number(high),
        **values,
    )


def _tell_after(pair: PairAtHead) -> str:
    return say(
        "attention_parts.distance.after",
        "{after} in “{prompt}” ({distance} apart)",
        after=write_number(pair.with_positions),
        prompt=pair.prompt,
        distance=write_count(pair.distance),
    )
