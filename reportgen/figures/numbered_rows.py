"""Rows of a heat map at their own numbers: it counts from 0, and some models have attention in some blocks only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


def spread_rows(values: NDArray[Any], numbers: Sequence[int]) -> NDArray[Any]:
    """(row x column) values of the rows with these ascending numbers -> rows from 0 on, NaN where there are none."""
    import numpy as np

    if list(numbers) == list(range(len(values))):
        return values
    spread = np.full((numbers[-1] + 1, *values.shape[1:]), np.nan, dtype=values.dtype)
    spread[list(numbers)] = values
    return spread
