"""The world map by other ways: great circles from vectors, ridge regressions fitted again for everything left out, and
R² by loops over Python floats.
"""

import math

import numpy as np

RADIUS = 6371.0088


def great_circle(one, other, *, swapped=False):
    """Kilometres between two (latitude, longitude) by the angle between vectors; `swapped` makes the known wrong
    formula that takes longitudes for latitudes.
    """
    a, b = (_vector(*(place[::-1] if swapped else place)) for place in (one, other))
    cross = math.hypot(a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])
    return RADIUS * math.atan2(cross, sum(x * y for x, y in zip(a, b, strict=True)))


def _vector(latitude, longitude):
    latitude, longitude = math.radians(latitude), math.radians(longitude)
    return (math.cos(latitude) * math.cos(longitude), math.cos(latitude) * math.sin(longitude), math.sin(latitude))


def ridge(x, y, penalty):
    """(weights, offset) of one column, by least squares on rows that the penalty adds, the offset with none."""
    count, width = x.shape
    added = np.concatenate([np.zeros((width, 1)), math.sqrt(penalty) * np.eye(width)], axis=1)
    rows = np.concatenate([np.concatenate([np.ones((count, 1)), x], axis=1), added])
    found = np.linalg.lstsq(rows, np.concatenate([y, np.zeros(width)]), rcond=None)[0]
    return found[1:], found[0]


def predict_without(x, y, penalty, left_out, asked):
    """What a fit without some rows says of others."""
    kept = [row for row in range(len(x)) if row not in set(left_out)]
    weights, offset = ridge(x[kept], y[kept], penalty)
    return asked @ weights + offset


def r_squared(true, predicted, *, mean=None, summed=False):
    """Mean over the columns of R²; `mean` takes another mean than that of the rows themselves, and `summed` adds up the
    columns' squares before it divides: known wrong formulas.
    """
    left, whole = [], []
    for column in range(len(true[0])):
        values = [row[column] for row in true]
        centre = sum(values) / len(values) if mean is None else mean[column]
        left.append(sum((row[column] - guess[column]) ** 2 for row, guess in zip(true, predicted, strict=True)))
        whole.append(sum((value - centre) ** 2 for value in values))
    if summed:
        return 1 - sum(left) / sum(whole)
    return sum(1 - a / b for a, b in zip(left, whole, strict=True)) / len(left)


def spearman(one, other):
    """Pearson's correlation of ranks, equal values having the mean of theirs."""
    a, b = (_rank(values) for values in (one, other))
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / math.sqrt((a * a).sum() * (b * b).sum()))


def _rank(values):
    return np.array([sum(o < v for o in values) + (sum(o == v for o in values) + 1) / 2 for v in values], dtype=float)
