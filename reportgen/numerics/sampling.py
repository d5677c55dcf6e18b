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
