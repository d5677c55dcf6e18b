"""How it is measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from reportgen.model.capture.shared_passes import reason_against_pass
from reportgen.model.measures.routing import (
    Certainty,
    measure_certainty,
    read_routes,
    rounded_passes,
    routed_blocks,
    stack_blocks,
)
from reportgen.model.needs import Pass, PassResult
from reportgen.model.network.loaded import LoadedModel
from reportgen.numerics.routing import Numbers, chance_of_busiest, load_of, spread_of
from reportgen.probes.moe_routing import GATES_NEED, Options, Routing, counted_positions
from reportgen.probing.case import Case
from reportgen.probing.probe import Later
from reportgen.results.quantities import Rows

LOW = 0.1
"""Share of the tokens below whose margin the low one is."""


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> Later[Routing]:
    """What the texts gave, and what they give rounded otherwise."""
    texts = captured[: len(captured) // 2]
    tokens = [single.tokens for single in texts]
    counted = [counted_positions(case, one, case.options.special_tokens) for one in tokens]
    rounded = yield rounded_passes(model, tokens, case.options.seed)
    routes = read_routes(model, texts, counted)
    certainty = measure_certainty(model, routes, read_routes(model, rounded, counted))
    load = load_of(routes.chosen)
    evenness, blocks = spread_of(load), routed_blocks(model)
    count, _, experts = routes.chosen.shape
    return Routing(
        coordinates={} if len(blocks) == model.layers else {"block": blocks},
        experts=experts,
        taken=routes.taken,
        tokens=count,
        load_evenness=float(evenness.mean()),
        busiest=float(load.max() * experts),
        unused=float((load == 0).mean()),
        undecided=float((certainty.times_noise <= 1).mean()),
        rounding_flips=float(certainty.flipped.mean()),
        load=load.astype(np.float32),
        load_evenness_by_block=evenness.astype(np.float32),
        margin_median=_quantile(routes.margins, 0.5),
        margin_low=_quantile(routes.margins, LOW),
        noise=certainty.noise.astype(np.float32),
        blocks=_block_rows(blocks, certainty, load),
        prompts=case.prompt_rows(case.options.prompts),
        **_read_entropy(model, captured[len(texts) :], counted),
    )


def _read_entropy(
    model: LoadedModel, captured: Sequence[PassResult], counted: Sequence[Sequence[int]]
) -> dict[str, Any]:
    """The findings about the routers' distributions; why there are none where their gates are not known."""
    if not all(GATES_NEED in single.values for single in captured):
        return {"entropy": reason_against_pass(model, Pass(captured[0].tokens, (GATES_NEED,)))}
    entropy = spread_of(stack_blocks(model, captured, counted, GATES_NEED)).mean(axis=0)
    return {"entropy": float(entropy.mean()), "entropy_by_block": entropy.astype(np.float32)}


def _quantile(margins: Numbers, share: float) -> Any:
    """(block) of the routes that have a margin; NaN where none has."""
    found = np.full(margins.shape[1], np.nan, np.float32)
    for block, of_block in enumerate(margins.T):
        known = of_block[np.isfinite(of_block)]
        if known.size:
            found[block] = np.quantile(known, share)
    return found


def _block_rows(blocks: Sequence[int], certainty: Certainty, load: Numbers) -> Rows:
    chosen, taken = certainty.routes.chosen, certainty.routes.taken
    tokens, _, experts = chosen.shape
    rows: Rows = []
    for at, block in enumerate(blocks):
        slots = chosen[:, at].sum(0)
        busiest = int(slots.argmax())
        count = int(slots[busiest])
        rows.append(
            [
                block,
                busiest,
                count,
                float(load[at, busiest] * experts),
                chance_of_busiest(count, tokens, taken, experts),
                int((slots == 0).sum()),
                float((certainty.times_noise[:, at] <= 1).mean()),
            ]
        )
    return rows
