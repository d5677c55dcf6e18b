"""How many dimensions rows fill, from how much further each row's second neighbour is than its first.

The estimate of Facco et al. (2017): where density hardly changes from a row to its second neighbour, the ratio of the
two distances has the density d · ratio^(-d - 1), whatever the density is. Taken by maximum likelihood, which gives an
interval too, and not by the fit of a line to a cumulative distribution, which gives none. It says less than the truth
where that is high and the rows are few.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FEWEST = 20
"""Rows with two different neighbours below which nothing is said."""


@dataclass(frozen=True)
class IntrinsicDimension:
    """The estimate and the ends of its 95 % interval; NaN where there are too few rows."""

    value: float
    low: float
    high: float


def estimate_intrinsic_dimension(distances: NDArray[np.float64]) -> IntrinsicDimension:
    """From the (item x item) distances of rows. A row with a double is left out: its ratio is infinite.

    value = (n - 1) / Σ ln(second / first), which is unbiased; the interval is that of a gamma distribution with n
    draws, as if the ratios were independent.
    """
    from scipy.stats import gamma  # here: it takes a while to import

    apart = distances + np.diag(np.full(len(distances), np.inf))
    if len(apart) < FEWEST:
        return IntrinsicDimension(np.nan, np.nan, np.nan)
    first, second = np.partition(apart, 1, axis=1)[:, :2].T
    kept = first > 1e-6 * np.median(second)
    n, total = int(kept.sum()), float(np.log(second[kept] / first[kept]).sum())
    if n < FEWEST or total <= 0:
        return IntrinsicDimension(np.nan, np.nan, np.nan)
    low, high = gamma.ppf([0.025, 0.975], n) / total
    return IntrinsicDimension((n - 1) / total, float(low), float(high))
