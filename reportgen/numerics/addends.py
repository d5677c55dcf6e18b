"""How much of a sum each of its parts is.

The share of a part p of y = Σ p is its projection on y over y's length, p·y / y·y: the shares of all parts add up to 1,
and one is negative where its part points against the sum. Lengths alone would not do: two long parts may cancel.
"""

from typing import Any

from array_api_compat import array_namespace

Rows = Any
"""A numpy array or torch tensor."""


def share_of_sum(part: Rows, whole: Rows) -> Rows:
    """(…) the share that (… x width) parts are of (… x width) sums; NaN where a sum is 0."""
    xp = array_namespace(part, whole)
    length = xp.sum(whole * whole, axis=-1)
    none = length == 0
    share = xp.sum(part * whole, axis=-1) / xp.where(none, xp.ones_like(length), length)
    return xp.where(none, xp.full_like(share, float("nan")), share)
