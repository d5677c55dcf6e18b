"""How it is measured."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from reportgen.model.capture.shared_passes import run_all
from reportgen.model.measures.routing import (
    Certainty,
    measure_certainty,
    read_routes,
    rounded_passes,
    routed_blocks,
)
from reportgen.model.needs import Unmeasurable
from reportgen.numerics.routing import Chosen, Numbers, find_flips, load_of
from reportgen.probes.moe_routing import counted_positions
from reportgen.probes.moe_routing_drift import Options, RoutingDrift
from reportgen.probes.moe_routing_drift.view import BASE, OTHER, PAIR
from reportgen.probing.probe import MeasuredModel
from reportgen.results.quantities import Rows

EDGES = (0.0, 1.0, 3.0, 10.0, 30.0, 100.0, 1000.0, np.inf)
"""Multiples of the noise between which routes are counted together; a multiple of 1 is within the noise."""
MOST_FLIPS = 50


def compare(base: MeasuredModel[Options], other: MeasuredModel[Options]) -> RoutingDrift:
    """The routes of both, and what rounding does to each."""
    case, blocks = base.case, routed_blocks(base.model)
    if blocks != routed_blocks(other.model):
        raise Unmeasurable("they cannot be compared: they have experts in different blocks")
    counted = [counted_positions(case, one.tokens, case.options.special_tokens) for one in base.captured]
    ours, theirs = (_measure(one, counted) for one in (base, other))
    if ours.routes.chosen.shape != theirs.routes.chosen.shape or ours.routes.taken != theirs.routes.taken:
        raise Unmeasurable("they cannot be compared: they take different numbers of experts")
    flipped = find_flips(ours.routes.chosen, theirs.routes.chosen)
    times = np.minimum(ours.times_noise, theirs.times_noise)
    decided = times > 1
    both = flipped & decided
    loads = [load_of(one.routes.chosen) for one in (ours, theirs)]
    return RoutingDrift(
        coordinates={} if len(blocks) == base.model.layers else {"block": blocks},
        routes=flipped.size,
        flipped=float(flipped.mean()),
        decided=float(decided.mean()),
        flipped_decided=float(both.sum() / decided.sum()) if decided.any() else "no route is decided",
        slots_changed=float(_share_changed(ours.routes.chosen, theirs.routes.chosen).mean()),
        load_shift=float(np.abs(loads[0] - loads[1]).sum(-1).mean() / 2),
        rounding_flips=float(ours.flipped.mean()),
        other_rounding_flips=float(theirs.flipped.mean()),
        flipped_by_block=flipped.mean(0).astype(np.float32),
        flipped_decided_by_block=_share_of(both, decided),
        rounding_flips_by_block=np.maximum(ours.flipped.mean(0), theirs.flipped.mean(0)).astype(np.float32),
        margins=[
            *_count_by_margin(PAIR, times, flipped),
            *_count_by_margin(BASE, ours.times_noise, ours.flipped),
            *_count_by_margin(OTHER, theirs.times_noise, theirs.flipped),
        ],
        decided_flips=_flip_rows(base, counted, (ours, theirs), np.where(both, times, -np.inf)),
        prompts=case.prompt_rows(case.options.prompts),
    )


def _measure(one: MeasuredModel[Options], counted: Sequence[Sequence[int]]) -> Certainty:
    texts = [single.tokens for single in one.captured]
    rounded = run_all(one.model, rounded_passes(one.model, texts, one.case.options.seed))
    routes = read_routes(one.model, one.captured, counted)
    return measure_certainty(one.model, routes, read_routes(one.model, rounded, counted))


def _share_changed(ours: Chosen, theirs: Chosen) -> Numbers:
    """(token x block) share of our experts that are not theirs."""
    found: Numbers = (ours & ~theirs).sum(-1) / ours.sum(-1)
    return found


def _share_of(some: Chosen, of: Chosen) -> NDArray[np.float32]:
    """(block) NaN where there are none."""
    counts = of.sum(0)
    return np.where(counts > 0, some.sum(0) / np.maximum(counts, 1), np.nan).astype(np.float32)


def _count_by_margin(which: str, times: Numbers, flipped: Chosen) -> Rows:
    """A row for every range of multiples."""
    rows: Rows = []
    for low, high in pairwise(EDGES):
        inside = (times > low) & (times <= high) if low else times <= high
        count = int(inside.sum())
        share = float(flipped[inside].mean()) if count else None
        rows.append([which, low, high if np.isfinite(high) else None, count, int(flipped[inside].sum()), share])
    return rows


def _flip_rows(
    base: MeasuredModel[Options],
    counted: Sequence[Sequence[int]],
    both: tuple[Certainty, Certainty],
    times: Numbers,
) -> Rows:
    """Those of which `times` (token x block) is finite, the largest first."""
    places = [(text, position) for text, positions in enumerate(counted) for position in positions]
    blocks, show = routed_blocks(base.model), base.case.tokenizer.show
    order = np.argsort(-times, axis=None, kind="stable")[:MOST_FLIPS]
    rows: Rows = []
    for token, at in zip(*(found.tolist() for found in np.unravel_index(order, times.shape)), strict=True):
        if not np.isneginf(times[token, at]):
            text, position = places[token]
            experts = [" ".join(map(str, np.flatnonzero(one.routes.chosen[token, at]))) for one in both]
            multiple = float(times[token, at])
            shown = show(base.captured[text].tokens[position])
            rows.append([text, position, shown, blocks[at], multiple if np.isfinite(multiple) else None, *experts])
    return rows
