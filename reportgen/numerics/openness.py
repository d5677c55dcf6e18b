"""How many neurons of an MLP are off on a token.

Two definitions, as there is no one for smooth functions. Closed: the activation function gives 0 or less, that is, it
was given 0 or less. Of ReLU that is exactly the neurons that give nothing (Li et al. 2023, "The Lazy Neuron
Phenomenon"); of GELU and SiLU a closed one still gives a little, down to −0.17 and −0.28. Silent: what it gives is at
most a hundredth of the largest of the token and block, to either side. A threshold that is the same for all blocks
would say nothing, since their numbers are of other sizes.
"""

from typing import Any

from array_api_compat import array_namespace

SILENT = 0.01
"""Share of a token's largest activation up to which a neuron is called silent."""


def count_closed(activations: Any) -> Any:
    """(…) how many of (… x feature) outputs of an activation function are 0 or less."""
    xp = array_namespace(activations)
    return xp.sum(xp.astype(activations <= 0, xp.int64), axis=-1)


def count_silent(activations: Any) -> Any:
    """(…) how many of (… x feature) outputs are at most `SILENT` of the largest, in size, of their own token."""
    xp = array_namespace(activations)
    sizes = xp.abs(activations)
    largest = xp.max(sizes, axis=-1, keepdims=True)
    return xp.sum(xp.astype(sizes <= SILENT * largest, xp.int64), axis=-1)
