"""Activations far beyond all others of their layer (Sun et al. 2024).

Both bounds of the paper have to be exceeded: 100 alone marks every number of a model with a large stream, 1,000 times
the median alone marks numbers that are small. The median is the lower of the two middle ones, as torch takes it.
Cost: one sort of a layer's magnitudes.
"""

from typing import Any

from array_api_compat import array_namespace

Values = Any
"""A numpy array or torch tensor."""

LARGE = 100.0
"""Magnitude that a massive activation exceeds."""
TIMES_THE_MEDIAN = 1_000.0
"""How many times the median magnitude of its layer it exceeds."""


def median_magnitude(stream: Values) -> Values:
    """The median of |h| over all positions and dimensions; the lower of the two middle ones of an even number."""
    xp = array_namespace(stream)
    magnitudes = xp.sort(xp.reshape(xp.abs(stream), (-1,)))
    return magnitudes[(magnitudes.shape[0] - 1) // 2]


def flag_massive(values: Values, median: Values) -> Values:
    """Whether activations are massive: |h| > 100, and more than 1,000 times the median magnitude of their layer."""
    xp = array_namespace(values)
    magnitudes = xp.abs(values)
    return (magnitudes > LARGE) & (magnitudes > TIMES_THE_MEDIAN * median)
