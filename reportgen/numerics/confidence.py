"""How far a mean, or a share, of a sample may lie from that of what it was drawn from.

The interval of a mean is the normal one: samples here are of 60 words and more, where a bootstrap would cost a thousand
times as much and give the same two digits; of fewer it is too narrow, which is why n stands next to it.
"""

import math
from typing import Any

from array_api_compat import array_namespace

NORMAL_95 = 1.959963984540054
"""Standard deviations that hold 95 % of a normal distribution, to both sides."""


def margin_95(values: Any) -> Any:
    """(…) half the width of the normal 95 % confidence interval of the mean over the first axis, from the sample's own
    standard deviation (n - 1); NaN for a sample of one.
    """
    xp = array_namespace(values)
    count = int(values.shape[0])
    if count < 2:
        return xp.full(values.shape[1:], xp.nan, dtype=values.dtype)
    return NORMAL_95 * xp.std(values, axis=0, correction=1) / count**0.5


def wilson_95(hits: float, count: int) -> tuple[float, float]:
    """Lower and upper end of the 95 % interval of a share, hits of count (Wilson 1927), without continuity correction.

    The shares p from which hits / count is at most so many of p's own standard errors √(p (1 − p) / count) away. Never
    below 0 or above 1, nor without width where all or none were hit, as the normal one is; NaN for a count of 0. Of
    what was tried several times, hits are the sum of each one's share: further tries of it are no further sample.
    """
    if not count:
        return math.nan, math.nan
    square = NORMAL_95**2
    centre = (hits + square / 2) / (count + square)
    half = NORMAL_95 / (count + square) * math.sqrt(hits * (count - hits) / count + square / 4)
    return (centre - half if hits else 0.0), (centre + half if hits < count else 1.0)
