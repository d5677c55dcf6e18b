"""How sparse the activations of a dictionary are, and how much of what it read it gives back.

Sums run in float64 over all tokens before anything is divided, so that neither the order nor the size of the parts
matters: shares of parts are never averaged. The variance of the merged parts is that of all tokens about their one
mean (Chan et al. 1979). Cost: one pass over rows and activations; a row of the width and one of the features are kept.
"""

import math
from dataclasses import dataclass
from typing import Any

from array_api_compat import array_namespace

Rows = Any
"""A numpy array or torch tensor."""

DENSE = 0.1
"""A feature that fires on more than this share of the tokens is dense (as in Gemma Scope)."""


@dataclass(frozen=True)
class QualityState:
    """What was summed; None for vectors before the first part was seen."""

    tokens: int = 0
    active: int = 0
    """Features above 0, over all tokens."""
    error: float = 0.0
    """Sum of |x - y|² over all tokens."""
    cosines: float = 0.0
    mean: Rows = None
    """(width) float64"""
    scatter: float = 0.0
    """Sum of |x - mean|² over all tokens."""
    fired: Rows = None
    """(feature) float64 number of tokens on which each feature fired."""


@dataclass(frozen=True)
class Quality:
    """Of a dictionary on some text; NaN where a number is not defined."""

    tokens: int
    l0: float
    """Mean number of features above 0 a token."""
    fvu: float
    """Fraction of variance unexplained: Σ|x - y|² / Σ|x - mean|²; 1 for who predicts the mean."""
    explained_variance: float
    """1 - FVU."""
    cosine: float
    """Mean cosine of x and y; 0 for a token of which nothing is given back."""
    dead: float
    """Share of features that fired nowhere."""
    dense: float
    """Share of features that fired on more than `DENSE` of the tokens."""
    density: Rows
    """(feature) float64 share of the tokens on which each fired."""


@dataclass(frozen=True)
class ReconstructionQuality:
    """An accumulator over parts of a text: of x, its reconstruction y and the activations between them."""

    def init(self) -> QualityState:
        """Nothing seen."""
        return QualityState()

    def update(self, state: QualityState, rows: Rows, reconstructed: Rows, activations: Rows) -> QualityState:
        """What was seen before, and (row x width) x, (row x width) y and (row x feature) activations."""
        return self.merge(state, _measure_part(rows, reconstructed, activations))

    def merge(self, one: QualityState, other: QualityState) -> QualityState:
        """What both have seen."""
        if not one.tokens or not other.tokens:
            return one if one.tokens else other
        tokens = one.tokens + other.tokens
        apart = other.mean - one.mean
        between = float((apart * apart).sum()) * one.tokens * other.tokens / tokens
        return QualityState(
            tokens=tokens,
            active=one.active + other.active,
            error=one.error + other.error,
            cosines=one.cosines + other.cosines,
            mean=one.mean + apart * (other.tokens / tokens),
            scatter=one.scatter + other.scatter + between,
            fired=one.fired + other.fired,
        )

    def finish(self, state: QualityState) -> Quality:
        """The shares and means of all that was seen."""
        if not state.tokens:
            nan = math.nan
            return Quality(0, nan, nan, nan, nan, nan, nan, state.fired)
        density = state.fired / state.tokens
        fvu = state.error / state.scatter if state.scatter > 0 else math.nan
        return Quality(
            tokens=state.tokens,
            l0=state.active / state.tokens,
            fvu=fvu,
            explained_variance=1.0 - fvu,
            cosine=state.cosines / state.tokens,
            dead=_share(state.fired == 0),
            dense=_share(density > DENSE),
            density=density,
        )


def loss_recovered(clean: float, zero: float, spliced: float) -> float:
    """(zero - spliced) / (zero - clean) of three mean losses in nats: the model's own, with zeros in the dictionary's
    place, with its reconstruction there. 1 where nothing is lost, 0 where zeros would do as well; NaN where zeros cost
    nothing.
    """
    return (zero - spliced) / (zero - clean) if zero != clean else math.nan


def delta_loss(clean: float, spliced: float) -> float:
    """What the splice costs, in nats a token: spliced - clean."""
    return spliced - clean


def mean_max_cosine(found: Rows, planted: Rows) -> float:
    """Mean over the (feature x width) planted directions of the largest cosine with any found one; signs count, as
    activations are never negative.
    """
    xp = array_namespace(found, planted)
    cosines = _unit(planted) @ _unit(found).T
    return float(xp.mean(xp.max(cosines, axis=-1)))


def _measure_part(rows: Rows, reconstructed: Rows, activations: Rows) -> QualityState:
    xp = array_namespace(rows, reconstructed, activations)
    if not rows.shape[0]:
        return QualityState()
    x, y = xp.astype(rows, xp.float64), xp.astype(reconstructed, xp.float64)
    mean = xp.mean(x, axis=0)
    fired = xp.sum(xp.astype(activations > 0, xp.int64), axis=0)
    norms = xp.sqrt(xp.sum(x * x, axis=-1) * xp.sum(y * y, axis=-1))
    some = norms > 0
    cosines = xp.where(some, xp.sum(x * y, axis=-1), xp.zeros_like(norms)) / xp.where(some, norms, xp.ones_like(norms))
    return QualityState(
        tokens=int(rows.shape[0]),
        active=int(xp.sum(fired)),
        error=float(xp.sum((x - y) ** 2)),
        cosines=float(xp.sum(cosines)),
        mean=mean,
        scatter=float(xp.sum((x - mean) ** 2)),
        fired=xp.astype(fired, xp.float64),
    )


def _share(flags: Rows) -> float:
    xp = array_namespace(flags)
    return float(xp.mean(xp.astype(flags, xp.float64)))


def _unit(rows: Rows) -> Rows:
    xp = array_namespace(rows)
    wide = xp.astype(rows, xp.float64)
    norms = xp.sqrt(xp.sum(wide * wide, axis=-1, keepdims=True))
    return wide / xp.where(norms > 0, norms, xp.ones_like(norms))
