"""Cosine similarity, and the two ways to take out what all tokens of a layer share.

In the stream of most models any two tokens have a cosine of 0.5 and more, by a few dimensions of great length. Taking
off a mean vector, or dividing by the mean cosine, are the two corrections that the sources use; whitening is not taken,
as it needs many more rows than dimensions. A mean cosine of all pairs is the product of two mean unit rows: linear in
the rows, not quadratic.
"""

from typing import Any

from array_api_compat import array_namespace

Rows = Any
"""A numpy array or torch tensor."""

SMALLEST_MEAN = 1e-3
"""Below this a mean cosine is too near 0 to divide by."""


def unit_rows(rows: Rows) -> Rows:
    """(… x width) rows scaled to norm 1; a row of zeros stays zero."""
    xp = array_namespace(rows)
    norms = xp.sqrt(xp.sum(rows * rows, axis=-1, keepdims=True))
    return rows / xp.where(norms == 0, xp.ones_like(norms), norms)


def cosine(a: Rows, b: Rows) -> Rows:
    """(…) cosine of matching rows of (… x width) and (… x width)."""
    xp = array_namespace(a, b)
    return xp.sum(unit_rows(a) * unit_rows(b), axis=-1)


def mean_cosine(a: Rows, b: Rows) -> Rows:
    """(layer) mean cosine of every row of a with every row of b, from (layer x i x width) and (layer x j x width).

    The mean of all products of unit rows is the product of the two mean unit rows.
    """
    xp = array_namespace(a, b)
    return xp.sum(xp.mean(unit_rows(a), axis=-2) * xp.mean(unit_rows(b), axis=-2), axis=-1)


def divide_mean(raw: Rows, mean: Rows) -> Rows:
    """(layer) raw cosine over the mean cosine of its two sentences; NaN where the mean is too near 0."""
    xp = array_namespace(raw, mean)
    small = xp.abs(mean) < SMALLEST_MEAN
    return xp.where(small, xp.full_like(raw, float("nan")), raw / xp.where(small, xp.ones_like(mean), mean))
