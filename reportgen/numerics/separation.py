"""How far groups of rows lie apart, from the distances between all rows, and what shuffled groups would give.

Distances are Euclidean between rows that were centred and scaled to length 1: a few dimensions of enormous mean and
rows of enormous norm, which the residual stream has, would else be all that is measured. From the distances everything
below is computed for many shufflings at once. Cost: n² numbers a layer, n² · shufflings · groups operations.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reportgen.numerics.one_thread import hold_one_thread


def measure_distances(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    """(item x item) Euclidean distances of (item x width) rows, each less the mean of all and then scaled to length 1;
    a row that is the mean stays where it is.
    """
    with hold_one_thread():
        centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
        norms = np.linalg.norm(centred, axis=1, keepdims=True)
        # What is left of rows that are all alike is rounding, and has a length of 1 like anything else.
        real = norms > 1e-6 * np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
        unit = centred / np.where(real, norms, np.inf)
        squares = (unit * unit).sum(axis=1)
        apart = squares[:, None] + squares[None, :] - 2 * unit @ unit.T
    np.fill_diagonal(apart, 0.0)
    distances: NDArray[np.float64] = np.sqrt(np.maximum(apart, 0.0))
    return distances


def measure_plain_distances(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    """(item x item) Euclidean distances of (item x width) rows as they are: scaled to length 1, rows would lie on a
    sphere, which has a dimension less.
    """
    with hold_one_thread():
        centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
        squares = (centred * centred).sum(axis=1)
        apart = squares[:, None] + squares[None, :] - 2 * centred @ centred.T
    np.fill_diagonal(apart, 0.0)
    distances: NDArray[np.float64] = np.sqrt(np.maximum(apart, 0.0))
    return distances


def shuffle_labels(labels: NDArray[np.intp], count: int, seed: int) -> NDArray[np.intp]:
    """(1 + count x item) the labels themselves, and then so many random orders of them."""
    draw = np.random.default_rng(seed)
    return np.stack([labels, *(draw.permutation(labels) for _ in range(count))])


def measure_silhouettes(distances: NDArray[np.float64], labels: NDArray[np.intp]) -> NDArray[np.float64]:
    """(labelling) mean over items of (b - a) / max(a, b): a is an item's mean distance to the others of its group, b
    the smallest mean distance to another group (Rousseeuw 1987); 0 for an item that is alone in its group.

    `labels` is (labelling x item), from 0 to the number of groups less 1; each labelling has the same counts.
    """
    groups = int(labels.max()) + 1
    counts = np.bincount(labels[0], minlength=groups).astype(np.float64)
    members = (labels[:, None, :] == np.arange(groups)[:, None]).astype(np.float64)  # (labelling x group x item)
    with hold_one_thread():
        sums = members @ distances  # the sum over a group's members of the distance to each item
    own = np.take_along_axis(sums, labels[:, None, :], axis=1)[:, 0]
    size = counts[labels]
    within = own / np.maximum(size - 1, 1)
    means = sums / counts[:, None]
    np.put_along_axis(means, labels[:, None, :], np.inf, axis=1)
    nearest = means.min(axis=1)
    largest = np.maximum(within, nearest)
    found = np.where((size > 1) & (largest > 0), (nearest - within) / np.where(largest > 0, largest, 1.0), 0.0)
    mean: NDArray[np.float64] = found.mean(axis=1)
    return mean


def measure_partings(distances: NDArray[np.float64], labels: NDArray[np.intp]) -> NDArray[np.float64]:
    """(labelling) how far two groups part, as a share: 1 - (within a + within b) / (2 · between), each the mean
    distance of two different items. 1 where each group is one point; 0 on average, and below as often as above, where
    both are drawn from the same: the energy distance of Székely and Rizzo (2004), unbiased and by the distance between.

    `labels` is (labelling x item) of 0 and 1, at least two of each. NaN where no two items are apart.
    """
    second = labels.astype(np.float64)
    first = 1.0 - second
    with hold_one_thread():
        to_first, to_second = first @ distances, second @ distances
    n, m = first[0].sum(), second[0].sum()
    within_a = (to_first * first).sum(1) / (n * (n - 1))
    within_b = (to_second * second).sum(1) / (m * (m - 1))
    between = (to_first * second).sum(1) / (n * m)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: NDArray[np.float64] = np.where(between > 0, 1 - (within_a + within_b) / (2 * between), np.nan)
    return found


def find_highest_by_chance(values: NDArray[np.float64]) -> float:
    """What 95 % of the shufflings of (labelling x layer) values stay below at every layer: what exceeds it has a
    p-value of `find_p_of_largest` of about 0.05 or less.
    """
    known = np.where(np.isfinite(values[1:]), values[1:], -np.inf)
    return float(np.quantile(known.max(axis=1), 0.95))


def find_p_of_largest(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(layer) share of labellings whose largest value at any layer is at least what the first has at this one, itself
    counted: with so many layers to look at, one of them would stand out by chance (Westfall and Young 1993).

    `values` is (labelling x layer), the true labelling first, the others its shufflings.
    """
    known = np.where(np.isfinite(values), values, -np.inf)
    largest = known.max(axis=1)
    # Equal values of different orders of summation are equal.
    at_least = largest[:, None] >= known[0] - 1e-12
    share: NDArray[np.float64] = at_least.mean(axis=0)
    return share
