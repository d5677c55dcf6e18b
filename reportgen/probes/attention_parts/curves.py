"""What the figures of scores at growing distance show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import log2

import numpy as np

from reportgen.figures.describe import Curve, Curves
from reportgen.language import list_items, say
from reportgen.numerals import write_count, write_number
from reportgen.probes.attention_parts.view import PairAtHead, pairs_of_head
from reportgen.probing.axes import Axis, fit_axes
from reportgen.probing.view import SubjectView

SAME = 1e-3
"""Scores that differ by less, as a share of the largest, are drawn as one."""


def draw_distances(views: Sequence[SubjectView], block: int, head: int) -> Iterable[Curves]:
    """One figure for each two words and model that has the head, all models of the words on one scale if that hides
    nothing.
    """
    by_view = [(view, pairs_of_head(view, block, head)) for view in views]
    words = dict.fromkeys((pair.query, pair.key) for _, pairs in by_view for pair in pairs)
    for number, of_words in enumerate(words):
        some = [(view, [pair for pair in pairs if (pair.query, pair.key) == of_words]) for view, pairs in by_view]
        shown = [(view, pairs) for view, pairs in some if pairs]
        values = [np.stack([pair.curve for pair in pairs]) for _, pairs in shown]
        for (view, pairs), axis in zip(shown, fit_axes(values, [range(one.shape[1]) for one in values]), strict=True):
            yield _draw(view, pairs, axis, (block, head), f"distance-{block}-{head}-{number}")


def _draw(view: SubjectView, pairs: Sequence[PairAtHead], axis: Axis, at: tuple[int, int], name: str) -> Curves:
    """A curve for what differs in content, a dot where the words really are."""
    distances = view.along("distance_scores/0", "position")
    alike = _group_alike(pairs)
    curves = [_curve(group, distances, _curve_label(group, alike)) for group in alike]
    dots = [_dot(pair, group) for group in alike for pair in group if pair.with_positions is not None]
    return Curves(
        name=name,
        subject=(view.subject,),
        title=say(
            "attention_parts.distance.title",
            "{model}: block {block}, head {head}, from “{query}” to “{key}” at other distances",
            model=view.name,
            block=at[0],
            head=at[1],
            query=pairs[0].query,
            key=pairs[0].key,
        ),
        alt=list_items([_tell_pair(pair) for pair in pairs]),
        x_label=say(
            "attention_parts.distance.axis", "distance in tokens, as a power of two (0 = 1 token, 10 = 1,024 tokens)"
        ),
        y_label=axis.name(say("attention_parts.score", "score q·k")),
        y_range=axis.ends,
        curves=[*curves, *dots],
        references={_line_label(group, alike): group[0].without_positions for group in alike},
    )


def _group_alike(pairs: Sequence[PairAtHead]) -> list[list[PairAtHead]]:
    """Pairs whose curves are the same: in block 0 those of the same two tokens, wherever they stand."""
    groups: list[list[PairAtHead]] = []
    for pair in pairs:
        own = next((group for group in groups if _are_alike(group[0], pair)), None)
        groups.append([pair]) if own is None else own.append(pair)
    return groups


def _are_alike(one: PairAtHead, other: PairAtHead) -> bool:
    least = SAME * max(float(np.nanmax(np.abs(one.curve), initial=0.0)), abs(one.without_positions))
    return bool(np.allclose(one.curve, other.curve, rtol=0, atol=least, equal_nan=True))


def _curve(group: Sequence[PairAtHead], distances: Sequence[int], label: str) -> Curve:
    """The scores at all distances, those at which the words really are among them."""
    known = dict(zip(distances, group[0].curve.tolist(), strict=True))
    known |= {pair.distance: pair.with_positions for pair in group if pair.with_positions is not None}
    x = sorted(known)
    return Curve(label=label, x=[log2(at) for at in x], y=[known[at] for at in x], group=_name(group[0]))


def _name(pair: PairAtHead) -> str:
    return f"{pair.query} → {pair.key}, {pair.prompt}"


def _curve_label(group: Sequence[PairAtHead], alike: Sequence[Sequence[PairAtHead]]) -> str:
    if len(alike) == 1:
        return say("attention_parts.distance.with", "with positions")
    return say("attention_parts.distance.with_of", "with positions, {prompt}", prompt=group[0].prompt)


def _line_label(group: Sequence[PairAtHead], alike: Sequence[Sequence[PairAtHead]]) -> str:
    if len(alike) == 1:
        return say("attention_parts.distance.without", "without positions")
    return say("attention_parts.distance.without_of", "without positions, {prompt}", prompt=group[0].prompt)


def _dot(pair: PairAtHead, group: Sequence[PairAtHead]) -> Curve:
    """Where the words really are."""
    assert pair.with_positions is not None
    label = say("attention_parts.distance.here", "{distance} apart: {prompt}", distance=write_count(pair.distance),
                prompt=pair.prompt)  # fmt: skip
    return Curve(label=label, x=[log2(pair.distance)], y=[pair.with_positions], group=_name(group[0]))


def _tell_pair(pair: PairAtHead) -> str:
    return say(
        "attention_parts.distance.alt",
        "“{query}” and “{key}” in “{prompt}” score {before} without positions and {after} with them, {distance} tokens "
        "apart",
        query=pair.query,
        key=pair.key,
        prompt=pair.prompt,
        before=write_number(pair.without_positions),
        after=write_number(pair.with_positions),
        distance=write_count(pair.distance),
    )
