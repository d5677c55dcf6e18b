"""How far a table of scores lies above the same table of shuffled items: what a raw score of two spaces needs.

A score of two representations grows with their widths and with the number of items, and the best of many pairs of
layers is high by the search alone (Gröger et al. 2026). Both are taken out: each cell is told in standard deviations
of its own shuffles, and its chance by the largest cell of each whole shuffled table (Westfall & Young 1993), so that
looking at all cells costs nothing.
"""

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.float64]
"""(row x column)"""


def calibrate(scores: Table, shuffled: NDArray[np.float64]) -> Table:
    """(row x column) (score − mean) / standard deviation of its (shuffle x row x column) shuffles; NaN where these do
    not differ.
    """
    spread = shuffled.std(axis=0, ddof=1)
    return _divide(scores - shuffled.mean(axis=0), spread)


def chance_of_each(scores: Table, shuffled: NDArray[np.float64]) -> Table:
    """(row x column) share of all orders, the true one among them, in which the largest cell of the whole table is at
    least as high as this one: 1 / (shuffles + 1) at least; NaN where `calibrate` is.

    Cells are compared in standard deviations over all orders, so that each order is treated as any other: where the
    items of the two tables have nothing to do with each other, a cell below 0.05 is one in twenty tables.
    """
    orders = np.concatenate([scores[None], shuffled])
    spread = orders.std(axis=0, ddof=1)
    height = _divide(orders - orders.mean(axis=0), spread)
    tops = np.where(np.isnan(height), -np.inf, height).max(axis=(1, 2))
    share = (tops[:, None, None] >= height[0] - _EQUAL).mean(axis=0)
    return np.where(np.isnan(height[0]), np.nan, share)


_ROUNDING = 1e-7
"""A spread of scores of the size of 1 below which float32 products do not tell them apart."""
_EQUAL = 1e-6
"""Standard deviations that two heights may be apart and count as equal: shares of few neighbours often tie."""


def _divide(values: NDArray[np.float64], spread: Table) -> NDArray[np.float64]:
    """Values by what they spread; a spread that is rounding alone is none."""
    flat = ~(spread > _ROUNDING)
    return np.where(flat, np.nan, values / np.where(flat, 1.0, spread))
