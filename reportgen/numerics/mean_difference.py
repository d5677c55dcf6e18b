"""The mean difference of matched vectors, and what is left of it where the two sides change places at random.

The control has the same vectors and half of the pairs turned around: what all pairs differ by cancels, what each
differs by on its own account stays. A mean that is not larger says nothing.
"""

import random
from collections.abc import Sequence
from typing import Any

from array_api_compat import array_namespace

Rows = Any
"""A numpy array or torch tensor, in float64."""


def mean_difference(base: Rows, other: Rows, signs: Sequence[int] | None = None) -> Rows:
    """(… x width) mean over pairs of sign · (other − base), of (pair x … x width); without signs each is 1."""
    total = other[0] - base[0] if signs is None else signs[0] * (other[0] - base[0])
    for pair in range(1, int(base.shape[0])):
        apart = other[pair] - base[pair]
        total = total + (apart if signs is None else signs[pair] * apart)
    return total / int(base.shape[0])


def share_of_mean_norm(difference: Rows, base: Rows) -> Rows:
    """(…) ‖difference‖ / mean over pairs of ‖base‖, of (… x width) and (pair x … x width)."""
    xp = array_namespace(difference, base)
    norms = xp.sqrt(xp.sum(base * base, axis=-1))
    return xp.sqrt(xp.sum(difference * difference, axis=-1)) / xp.mean(norms, axis=0)


def draw_relabellings(pairs: int, draws: int, seed: int) -> list[list[int]]:
    """(draw) (pair) −1 where the two sides of a pair change places: a random half, rounded down, in each draw."""
    generator = random.Random(seed)
    drawn = []
    for _ in range(draws):
        turned = set(generator.sample(range(pairs), pairs // 2))
        drawn.append([-1 if pair in turned else 1 for pair in range(pairs)])
    return drawn
