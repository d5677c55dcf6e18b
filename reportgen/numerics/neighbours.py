"""On how many nearest neighbours two representations of the same items agree.

Of item i, N(i) are the k items whose rows have the largest cosine with its own. Mutual k-nearest neighbours is the mean
over items of |N_one(i) ∩ N_other(i)| / k (Huh et al. 2024, whose rows are unit vectors too; their clipping of outliers
is left out). Neither a rotation nor a scale of either space changes it, and the spaces may be of different widths. Two
unrelated representations share k of as many as there are candidates, not 0: what is read needs a shuffled control.
Cost: n² cosines of width d, and one sort of n numbers an item.
"""

from typing import Any

from array_api_compat import array_namespace

from reportgen.numerics.similarity import unit_rows

Rows = Any
"""A numpy array or torch tensor."""

_STEPS = 10**9
"""Steps of a cosine from 0 to 1: what is nearer than one of them is equal, as the cosines of equal rows are up to
rounding."""


def stepped_cosines(rows: Rows) -> Rows:
    """(n x n) cosines of (n x width) float64 rows in whole billionths, int32; those of a row of zeros are 0."""
    xp = array_namespace(rows)
    unit = unit_rows(rows)
    return xp.astype(xp.round(unit @ unit.T * _STEPS), xp.int32)


def mark_neighbours(cosines: Rows, candidates: Rows, k: int) -> Rows:
    """(n x n) true where the column is one of the row's k nearest: those of the largest cosine among the candidates,
    equal ones in their order.

    Args:
        cosines: (n x n) as `stepped_cosines` gives them.
        candidates: (n x n) true where the column may be a neighbour of the row; k at least in each row.
        k: how many neighbours.
    """
    xp = array_namespace(cosines)
    scores = xp.where(candidates, cosines, xp.full_like(cosines, -2 * _STEPS))
    least = xp.sort(scores, axis=-1)[:, -k][:, None]
    above, equal = scores > least, scores == least
    room = k - xp.sum(xp.astype(above, xp.int32), axis=-1, keepdims=True)
    first = xp.cumulative_sum(xp.astype(equal, xp.int32), axis=-1) <= room
    return above | (equal & first)


def shared_neighbours(one: Rows, other: Rows, k: int) -> Rows:
    """(layer x other layer) mean over items of the share of k neighbours that are the same, in float64: every layer of
    one with every layer of the other, in one product of (layer x n x n) and (other layer x n x n) marks, 0 and 1 as
    float32, whose sums are exact.
    """
    xp = array_namespace(one, other)
    counts = one.reshape(one.shape[0], -1) @ other.reshape(other.shape[0], -1).T
    return xp.astype(counts, xp.float64) / (one.shape[-1] * k)
