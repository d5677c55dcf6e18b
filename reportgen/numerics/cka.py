"""How alike two models see the same positions: debiased linear CKA, and how far their vectors lie apart.

The plain estimate is not taken: of n rows in d > n dimensions it is near 1 whatever they are (0.97 for random rows at
n = 20, d = 640). U-centring removes that bias, so that unrelated rows give 0 on average, and values below 0 as often as
above. Neither is changed by a rotation or a scale of either model's space. Cost: n² products of width d, never d².
"""

from typing import Any

from array_api_compat import array_namespace

Rows = Any
"""A numpy array or torch tensor."""

FEWEST = 4
"""Positions below which the debiased estimate does not exist."""
_FLAT = 1e-12
"""Share of the rows' squared norms below which a kernel is rounding: the rows do not differ."""


def centred_kernel(rows: Rows) -> Rows:
    """(n x n) U-centred products of (n x width) float64 rows (Székely & Rizzo 2014): the diagonal is left out, and
    what a row or a column has on average is taken off, so that rows at random have nothing in common on average.

    All 0 where the rows do not differ. n is `FEWEST` at least.
    """
    xp = array_namespace(rows)
    n = rows.shape[0]
    apart = 1.0 - xp.eye(n, dtype=rows.dtype)
    centred = rows - xp.mean(rows, axis=0, keepdims=True)  # changes nothing but rounding: a shared shift drops out
    products = (centred @ centred.T) * apart
    means = xp.sum(products, axis=0) / (n - 2)
    kernel = (products - means[:, None] - means[None, :] + xp.sum(products) / ((n - 1) * (n - 2))) * apart
    flat = xp.sum(kernel * kernel) <= (_FLAT * xp.sum(rows * rows)) ** 2
    return xp.where(flat, xp.zeros_like(kernel), kernel)


def alignment(one: Rows, other: Rows) -> Rows:
    """() cosine of two centred kernels: the debiased linear CKA of their rows (Kornblith et al. 2019, with the unbiased
    HSIC of Song et al. 2012). 1 for equal rows, near 0 (and as often below) for unrelated ones; NaN where one is all 0.
    """
    xp = array_namespace(one, other)
    sizes = xp.sqrt(xp.sum(one * one) * xp.sum(other * other))
    undefined = sizes == 0
    together = xp.sum(one * other) / xp.where(undefined, xp.ones_like(sizes), sizes)
    return xp.where(undefined, xp.full_like(together, float("nan")), together)


def unit_kernel(rows: Rows) -> Rows:
    """(n x n) the centred kernel of (n x width) float64 rows scaled to norm 1; NaN where the rows do not differ."""
    xp = array_namespace(rows)
    kernel = centred_kernel(rows)
    size = xp.sqrt(xp.sum(kernel * kernel))
    return xp.where(size == 0, xp.full_like(kernel, float("nan")), kernel / xp.where(size == 0, size + 1, size))


def alignments(ones: Rows, others: Rows) -> Rows:
    """(layer x other layer) debiased linear CKA of every (layer x n x n) unit kernel with every (other layer x n x n)
    one: `alignment` of all pairs, in one product.
    """
    return ones.reshape(ones.shape[0], -1) @ others.reshape(others.shape[0], -1).T


def relative_change(base: Rows, other: Rows) -> Rows:
    """(…) ‖other − base‖ / ‖base‖ of matching rows of (… x width) and (… x width); NaN where base is all 0."""
    xp = array_namespace(base, other)
    size, apart = (xp.sqrt(xp.sum(rows * rows, axis=-1)) for rows in (base, other - base))
    undefined = size == 0
    quotient = apart / xp.where(undefined, xp.ones_like(size), size)
    return xp.where(undefined, xp.full_like(quotient, float("nan")), quotient)
