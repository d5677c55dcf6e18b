"""A linear map from one space into another, fitted to matched rows.

Ridge regression in closed form, on the normal equations: a thousand rows of a thousand dimensions take a second, and
the penalty, stated as a share of the mean variance, means the same in spaces of any scale. An orthogonal map
(Procrustes) is not taken: two models' spaces differ in width. R² on rows that were not fitted says what it is worth.
"""

from dataclasses import dataclass
from typing import Any

from array_api_compat import array_namespace

Rows = Any
"""A numpy array or torch tensor, in float64."""


@dataclass(frozen=True)
class LinearMap:
    """y = (x - x̄) B + ȳ."""

    weights: Rows
    """(width of x, width of y)"""
    centre: Rows
    """(width of x)"""
    offset: Rows
    """(width of y)"""

    def __call__(self, x: Rows) -> Rows:
        """(… x width of y)"""
        return (x - self.centre) @ self.weights + self.offset


def fit_linear_map(x: Rows, y: Rows, ridge: float) -> LinearMap:
    """Least squares from (row x width) to (row x width) rows, with a penalty of `ridge` times the mean variance of x
    (a dimension, summed over the rows) on the squared weights; the offset is free.
    """
    xp = array_namespace(x, y)
    centre, offset = xp.mean(x, axis=0), xp.mean(y, axis=0)
    centred = x - centre
    squares = centred.T @ centred
    penalty = ridge * xp.sum(centred * centred) / x.shape[1]
    identity = xp.eye(x.shape[1], dtype=x.dtype)
    return LinearMap(xp.linalg.solve(squares + penalty * identity, centred.T @ (y - offset)), centre, offset)


def r_squared(y: Rows, predicted: Rows) -> Any:
    """1 - sum ‖y - ŷ‖² / sum ‖y - ȳ‖² over (row x width) rows, ȳ a dimension: 0 for the mean."""
    xp = array_namespace(y, predicted)
    apart = y - xp.mean(y, axis=0)
    return 1 - xp.sum((y - predicted) ** 2) / xp.sum(apart**2)
