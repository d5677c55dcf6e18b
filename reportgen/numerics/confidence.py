"""How far a mean of a sample may lie from the mean of what it was drawn from.

The interval is the normal one: samples here are of 60 words and more, where a bootstrap would cost a thousand times as
much and give the same two digits; of fewer it is too narrow, which is why n stands next to it.
"""

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
