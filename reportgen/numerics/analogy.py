"""Arithmetic of word vectors: a − b + c, and how parallel differences are.

The sum is Mikolov's offset (3CosAdd once its cosines are ranked); the multiplicative 3CosMul of Levy & Goldberg (2014)
is not taken: it needs cosines moved above 0, and says nothing of directions. Vectors are not normalised before they
are added: a word's own length is part of what the model adds up. Cost: one product of (pair x width) rows.
"""

from typing import Any

from array_api_compat import array_namespace

from reportgen.numerics.similarity import unit_rows

Rows = Any
"""A numpy array or torch tensor."""


def complete_analogy(a: Rows, b: Rows, c: Rows) -> Rows:
    """(… x width) a − b + c: what should stand to c as a stands to b (Mikolov et al. 2013)."""
    return a - b + c


def says_something(most: int, candidates: int) -> bool:
    """Whether it is a finding that a word is among the `most` nearest of so many candidates: chance alone brings that
    in most / candidates of the cases, which has to be half of them or fewer.
    """
    return candidates >= 2 * most


def difference_cosines(first: Rows, second: Rows) -> Rows:
    """(… x pair x pair) cosine of first − second of each word pair with that of each other, from (… x pair x width)."""
    xp = array_namespace(first, second)
    directions = unit_rows(first - second)
    return xp.matmul(directions, xp.matrix_transpose(directions))
