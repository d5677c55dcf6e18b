"""A linear probe: which label a row of the stream has, by logistic regression.

scikit-learn's LogisticRegression (softmax where there are more than two labels) with a fixed penalty on the squared
weights, never tuned on the rows it is tested on; dimensions are scaled to the rows that are fitted. There are more
dimensions than rows, so the weights lie in the span of the fitted rows: they are found in the coordinates of these
rows' singular vectors, which gives the same probe in a fraction of the time. A larger probe (an MLP) is not taken: what
it finds may be its own work. Cost: a decomposition of (row x row) for a layer and a fold.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.numerics.one_thread import hold_one_thread
from reportgen.training.representations import Rows, standardise

Labels = NDArray[np.int64]
"""(row) the number of each row's label."""
PRECISION = 1e-8
"""Gradient at which the search for the weights ends."""
MOST_STEPS = 10_000
NEGLIGIBLE = 1e-12
"""Squared length, as a share of the longest's, below which a direction of the rows is rounding alone."""


def guess_labels(rows: Rows, labels: Labels, fitted: NDArray[np.bool_], penalty: float) -> Labels:
    """(layer x row) the label that a layer's probe, fitted to some of its (row x width) rows, gives to all of them."""
    if len(set(labels[fitted].tolist())) == 1:  # nothing to tell apart: what is known is said of all
        return np.full(rows.shape[:2], labels[fitted][0], dtype=np.int64)
    guesses = np.empty(rows.shape[:2], dtype=np.int64)
    with hold_one_thread():
        for layer in range(len(rows)):
            (one,) = standardise(rows[layer : layer + 1], fitted)  # a layer at a time: a copy of all is large
            basis = _find_basis(one[fitted])
            probe = _fit(one[fitted] @ basis, labels[fitted], penalty)
            guesses[layer] = probe.predict(one.astype(np.float64) @ basis)
    return guesses


def guess_held_out(rows: Rows, labels: Labels, folds: NDArray[np.int64], penalty: float) -> Labels:
    """(layer x row) the label that each row is given by the probe that is fitted to all other folds."""
    guesses = np.empty(rows.shape[:2], dtype=np.int64)
    for fold in range(folds.max() + 1):
        held = folds == fold
        guesses[:, held] = guess_labels(rows, labels, ~held, penalty)[:, held]
    return guesses


def choose_layers(rows: Rows, labels: Labels, folds: NDArray[np.int64], penalty: float) -> NDArray[np.int64]:
    """(fold) the layer that is best without this fold: most of the other folds' rows are given the right label, each
    by a probe that has seen neither its own fold nor this one; of equals the first.
    """
    count = int(folds.max()) + 1
    right = np.zeros((count, len(rows)), dtype=np.int64)
    for one in range(count):
        for other in range(one):
            guesses = guess_labels(rows, labels, (folds != one) & (folds != other), penalty)
            for left_out, tested in ((one, other), (other, one)):
                held = folds == tested
                right[left_out] += (guesses[:, held] == labels[held]).sum(axis=1)
    chosen: NDArray[np.int64] = right.argmax(axis=1)
    return chosen


def find_directions(rows: Rows, labels: Labels, count: int, penalty: float) -> NDArray[np.float32]:
    """(label x layer x width) along which the log-odds of each label grow fastest, by a probe fitted to all rows; as
    long as the mean of its rows less that of all others is along it, so that adding it carries the one to the other.
    """
    everything = np.ones(rows.shape[1], dtype=bool)
    spread = rows.std(axis=1, dtype=np.float64)
    found = np.zeros((count, *rows.shape[::2]), dtype=np.float32)
    with hold_one_thread():
        for layer in range(len(rows)):
            (one,) = standardise(rows[layer : layer + 1], everything)
            basis = _find_basis(one)
            weights = np.asarray(_fit(one @ basis, labels, penalty).coef_) @ basis.T
            weights = np.where(spread[layer] > 0, weights / np.where(spread[layer] > 0, spread[layer], 1), 0)
            for label, vector in enumerate([-weights[0], weights[0]] if count == 2 else weights):
                found[label, layer] = _give_length(vector, rows[layer].astype(np.float64), labels == label)
    return found


def logistic_direction(towards: NDArray[np.floating], away: NDArray[np.floating]) -> NDArray[np.float64]:
    """(width) along which the log-odds of (n x width) rows against (m x width) others grow fastest: as
    `find_directions` has it, with a penalty of 1.
    """
    rows = np.concatenate([away, towards]).astype(np.float32)[None]
    labels = np.array([0] * len(away) + [1] * len(towards))
    found: NDArray[np.float64] = find_directions(rows, labels, 2, 1.0)[1, 0].astype(np.float64)
    return found


def _give_length(vector: NDArray[np.float64], rows: NDArray[np.float64], own: NDArray[np.bool_]) -> Any:
    """The vector, as long as the difference of means is along it; 0 where it has no direction."""
    apart, square = rows[own].mean(axis=0) - rows[~own].mean(axis=0), float(vector @ vector)
    return vector * (float(apart @ vector) / square) if square else vector


def _find_basis(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """(width x coordinate) orthonormal directions that span (row x width) rows."""
    wide = rows.astype(np.float64)
    if len(wide) >= wide.shape[1]:
        return np.eye(wide.shape[1])
    squares, left = np.linalg.eigh(wide @ wide.T)
    kept = squares > max(squares.max() * NEGLIGIBLE, 0.0)
    if not kept.any():  # rows that are all alike span nothing
        return np.zeros((wide.shape[1], 1))
    basis: NDArray[np.float64] = wide.T @ (left[:, kept] / np.sqrt(squares[kept]))
    return basis


def _fit(coordinates: NDArray[np.float64], labels: Labels, penalty: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=1 / penalty, tol=PRECISION, max_iter=MOST_STEPS).fit(coordinates, labels)
