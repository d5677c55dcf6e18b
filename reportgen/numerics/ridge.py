"""Ridge regression of any targets on one set of rows, at any penalty, from one eigendecomposition.

What it gives equals scikit-learn's RidgeCV with `alpha_per_target=True` and its efficient leave-one-out (the tests say
so). It is its own because true and shuffled targets, every penalty and every left-out group share the decomposition of
a layer, which is all that costs: of (width x width) or (row x row), whichever is smaller, in float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import numpy as np
    from numpy.typing import NDArray

SHARES = tuple(10.0 ** (half / 2) for half in range(-8, 7))
"""The penalties that are tried: 10⁻⁴ … 10³ in steps of half a power of ten, each times the mean of the sums of squares
of the centred dimensions."""
_LEAST = 1e-12
"""Share of the largest eigenvalue below which a direction is rounding and left out."""


@dataclass(frozen=True)
class Ridge:
    """Rows, decomposed: min Σ (y − b − (x − x̄) w)² + penalty ‖w‖², the offset b free."""

    centre: NDArray[np.float64]
    """(width) mean of the rows."""
    squares: NDArray[np.float64]
    """(component) sum of squares along each."""
    directions: NDArray[np.float64]
    """(width x component), orthonormal."""
    points: NDArray[np.float64]
    """(row x component) the centred rows."""

    @property
    def mean_square(self) -> float:
        """The mean of the sums of squares of the centred dimensions."""
        return float(self.squares.sum() / len(self.centre))

    def place(self, rows: NDArray[np.floating]) -> NDArray[np.float64]:
        """(row x component) other rows."""
        placed: NDArray[np.float64] = (rows - self.centre) @ self.directions
        return placed


@dataclass(frozen=True)
class RidgeFit:
    """One map to (row x column) targets, a penalty a column."""

    ridge: Ridge
    shares: NDArray[np.float64]
    """(column) penalties, as shares of the rows' mean square."""
    offset: NDArray[np.float64]
    """(column) mean of the targets."""
    weights: NDArray[np.float64]
    """(component x column)"""
    targets: NDArray[np.float64]
    """(row x column)"""
    left_out_error: NDArray[np.float64]
    """(column) sum of squared errors of each row as the fit without it predicts it, at the chosen penalty."""

    @property
    def penalties(self) -> NDArray[np.float64]:
        """(column)"""
        return self.shares * self.ridge.mean_square

    def predict(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(row x column) of rows as `Ridge.place` places them."""
        predicted: NDArray[np.float64] = self.offset + points @ self.weights
        return predicted

    def predict_without_groups(
        self, points: NDArray[np.float64], groups: Sequence[Hashable], fitted_groups: Sequence[Hashable]
    ) -> NDArray[np.float64]:
        """(row x column) each as the fit without all fitted rows of its own group predicts it, at the same penalties.

        Exact, without another fit: leaving out rows g moves a prediction by −h (I − H_gg)⁻¹ e_g, where H is the matrix
        that takes targets to fitted values, h its row for what is predicted and e_g the errors of the rows.
        """
        import numpy as np

        predicted = self.predict(points)
        errors = self.targets - self.predict(self.ridge.points)
        own, fitted = np.array(groups, dtype=object), np.array(fitted_groups, dtype=object)
        for group in dict.fromkeys(groups):
            some, left = np.flatnonzero(own == group), np.flatnonzero(fitted == group)
            if not len(left):
                continue
            if len(left) == len(fitted):  # a fit to nothing
                predicted[some] = np.nan
                continue
            rows = self.ridge.points[left]
            for column, penalty in enumerate(self.penalties):
                scaled = rows / (self.ridge.squares + penalty)
                within = rows @ scaled.T + 1 / len(self.targets)
                moved = np.linalg.solve(np.eye(len(left)) - within, errors[left, column])
                predicted[some, column] -= (points[some] @ scaled.T + 1 / len(self.targets)) @ moved
        return predicted


def decompose_rows(rows: NDArray[np.floating]) -> Ridge:
    """What all fits to (row x width) rows share."""
    import numpy as np

    wide = rows.astype(np.float64)
    centre = wide.mean(axis=0)
    centred = wide - centre
    few = len(wide) < wide.shape[1]
    squares, vectors = np.linalg.eigh(centred @ centred.T if few else centred.T @ centred)
    kept = squares > _LEAST * max(float(squares[-1]), np.finfo(float).tiny)
    squares, vectors = squares[kept], vectors[:, kept]
    if few:
        vectors = centred.T @ vectors / np.sqrt(squares)
    return Ridge(centre, squares, vectors, centred @ vectors)


def fit_ridge(ridge: Ridge, targets: NDArray[np.float64]) -> RidgeFit:
    """The map to (row x column) targets, each column at the penalty whose leave-one-out errors are smallest.

    The error of a row in the fit without it is its error by 1 − h, h being how much its own target counts in its own
    prediction (Golub, Heath and Wahba 1979).
    """
    import numpy as np

    offset = targets.mean(axis=0)
    aligned = ridge.points.T @ (targets - offset)
    shares = np.array(SHARES)
    shrink = 1 / (ridge.squares[:, None] + shares * ridge.mean_square)  # (component x penalty)
    own_share = ridge.points**2 @ shrink + 1 / len(targets)  # (row x penalty)
    errors = np.empty((len(shares), targets.shape[1]))
    for column in range(targets.shape[1]):
        fitted = offset[column] + ridge.points @ (aligned[:, column, None] * shrink)
        errors[:, column] = (((targets[:, column, None] - fitted) / (1 - own_share)) ** 2).sum(axis=0)
    best = errors.argmin(axis=0)
    weights = aligned * shrink[:, best]
    return RidgeFit(ridge, shares[best], offset, weights, targets, errors.min(axis=0))
