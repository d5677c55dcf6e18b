"""The routes of a model's tokens, and what rounding its residual stream once more does to them.

How sure a route is depends on how far the numbers that decide it can be trusted. So each text passes once more, with
every number that enters a block moved by up to one step of the model's number format at random: what that moves, and
what it flips, is noise. Cost: a further pass a text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from reportgen.model.needs import Edit, Need, Pass, PassResult, Site, Unmeasurable
from reportgen.model.network.loaded import LoadedModel
from reportgen.numerics.routing import Chosen, Numbers, find_flips, margin_of, noise_of

ROUTES_NEED, SCORES_NEED = Need(Site.ROUTES), Need(Site.ROUTER_SCORES)


@dataclass(frozen=True)
class RoundOnceMore:
    """Moves each number by up to one step of a number format, at random: by less than half of one it is rounded back
    to what it was.
    """

    step: float
    """Distance from 1 to the next number."""
    seed: int

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """The rows, moved."""
        generator = torch.Generator().manual_seed(self.seed)
        moves = torch.rand(rows.shape, generator=generator) * 2.0 - 1.0
        return rows * (1.0 + self.step * moves.to(rows))


@dataclass(frozen=True)
class Routes:
    """Which experts the tokens of all texts are routed to, and by which scores."""

    chosen: Chosen
    """(token x block x expert)"""
    scores: Numbers
    """(token x block x expert)"""

    @property
    def taken(self) -> int:
        """Experts per token."""
        return int(self.chosen[0, 0].sum())

    @cached_property
    def margins(self) -> Numbers:
        """(token x block)"""
        return margin_of(self.scores, self.chosen)


def rounded_passes(model: LoadedModel, texts: Sequence[Sequence[int]], seed: int) -> list[Pass]:
    """The texts once more, what enters each block rounded otherwise."""
    step = float(torch.finfo(model.dtype).eps)
    return [
        Pass(
            tuple(tokens),
            (ROUTES_NEED, SCORES_NEED),
            edits=tuple(
                Edit(Site.RESIDUAL, layer, RoundOnceMore(step, (seed * len(texts) + text) * model.layers + layer))
                for layer in range(model.layers)
            ),
        )
        for text, tokens in enumerate(texts)
    ]


def routed_blocks(model: LoadedModel) -> tuple[int, ...]:
    """The blocks that route their tokens, ascending."""
    return tuple(block for block, router in enumerate(model.anatomy.routers) if router is not None)


def read_routes(model: LoadedModel, captured: Sequence[PassResult], counted: Sequence[Sequence[int]]) -> Routes:
    """The routes of the counted positions of each text.

    Raises:
        Unmeasurable: blocks differ in how many experts they have, or take.
    """
    chosen, scores = (stack_blocks(model, captured, counted, need) for need in (ROUTES_NEED, SCORES_NEED))
    taken = sorted(set(chosen.sum(-1).astype(int).ravel().tolist()))
    if len(taken) > 1:
        raise Unmeasurable(model.say_not_measurable(f"tokens take {taken[0]} to {taken[-1]} experts"))
    return Routes(chosen > 0, scores)


def stack_blocks(
    model: LoadedModel, captured: Sequence[PassResult], counted: Sequence[Sequence[int]], need: Need
) -> Numbers:
    """(token x block x expert) what a need gave at the counted positions of each text."""
    texts = []
    for single, places in zip(captured, counted, strict=True):
        blocks = [one.float().cpu().numpy()[list(places)] for one in single.tensors_of(need, 0)]
        counts = sorted({one.shape[-1] for one in blocks})
        if len(counts) > 1:
            told = f"its blocks have {' and '.join(map(str, counts))} experts, which fit into no one array"
            raise Unmeasurable(model.say_not_measurable(told))
        texts.append(np.stack(blocks, axis=1))
    return np.concatenate(texts).astype(np.float64)


@dataclass(frozen=True)
class Certainty:
    """How far the routes of a model can be trusted."""

    routes: Routes
    flipped: Chosen
    """(token x block) where rounding once more chose other experts."""
    noise: Numbers
    """(block) the margin up to which rounding may decide."""

    @property
    def times_noise(self) -> Numbers:
        """(token x block) margins as multiples of the noise; infinite where no other expert could be chosen."""
        margins = self.routes.margins
        return np.where(np.isnan(margins), np.inf, margins / self.noise)


def measure_certainty(model: LoadedModel, routes: Routes, rounded: Routes) -> Certainty:
    """What rounding once more moved."""
    flipped = find_flips(routes.chosen, rounded.chosen)
    largest = np.abs(np.where(np.isfinite(routes.scores), routes.scores, 0.0)).max(axis=(0, 2))
    least = float(torch.finfo(torch.float32).eps) * np.maximum(largest, float(np.finfo(np.float32).tiny))
    noise = noise_of(routes.margins, margin_of(rounded.scores, routes.chosen), flipped, least)
    return Certainty(routes, flipped, noise)
