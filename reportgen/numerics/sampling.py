"""What temperature and cuts make of a distribution before a token is drawn from it.

Temperature first, then a cut, then renormalised: the order of transformers, on which the nucleus of a temperature
depends. Cost: one sort of the vocabulary a row where there is a cut.
"""

from typing import Any

from array_api_compat import array_namespace

from reportgen.numerics.distributions import log_softmax

Rows = Any
"""A numpy array or torch tensor."""


def apply_temperature(logits: Rows, temperature: float) -> Rows:
    """(… x vocabulary) natural logarithm of softmax(logits / temperature)."""
    return log_softmax(logits / temperature)


def nucleus_size(probabilities: Rows, mass: float) -> int:
    """How many of (token) descending probabilities it takes until they are `mass` together (Holtzman et al. 2020)."""
    xp = array_namespace(probabilities)
    short = int(xp.sum(xp.astype(xp.cumulative_sum(probabilities) < mass, xp.int64)))
    return min(1 + short, int(probabilities.shape[0]))


def renormalise(probabilities: Rows) -> Rows:
    """(token) probabilities of what a cut left, as shares of their sum."""
    xp = array_namespace(probabilities)
    return probabilities / xp.sum(probabilities)


def sparsemax(logits: Rows) -> Rows:
    """(… x vocabulary) the nearest distribution to the logits by squared distance (Martins & Astudillo 2016).

    max(logit − τ, 0), with τ such that they sum to 1: of the descending logits z, the first k are kept for which
    1 + k z_k > z_1 + … + z_k, and τ = (z_1 + … + z_k − 1) / k. What lies a whole logit or more below the largest is 0.
    """
    xp = array_namespace(logits)
    ordered = xp.sort(logits, axis=-1, descending=True)
    sums = xp.cumulative_sum(ordered, axis=-1)
    ranks = xp.astype(xp.arange(1, logits.shape[-1] + 1), logits.dtype)
    kept = xp.sum(xp.astype(1 + ranks * ordered > sums, xp.int64), axis=-1, keepdims=True)
    total = xp.take_along_axis(sums, kept - 1, axis=-1)
    return xp.clip(logits - (total - 1) / xp.astype(kept, logits.dtype), 0.0, None)
