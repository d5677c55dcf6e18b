"""Slow second implementations of what the probe `drift` measures: loops over positions, wrong formulas by keyword."""

import itertools
import math

from tests.reference.plain import cosine, kl


def products(rows):
    """(n x n) dot products, by loops."""
    return [[sum(x * y for x, y in zip(a, b, strict=True)) for b in rows] for a in rows]


def hsic(k, m):
    """The unbiased HSIC as a U-statistic: mean over all ordered quadruples of different positions of
    k_ab m_ab + k_ab m_cd − 2 k_ab m_ac (Gretton et al. 2005; Song et al. 2012 give a faster form of it).
    """
    total, count = 0.0, 0
    for a, b, c, d in itertools.permutations(range(len(k)), 4):
        total += k[a][b] * m[a][b] + k[a][b] * m[c][d] - 2 * k[a][b] * m[a][c]
        count += 1
    return total / count


def debiased_cka(x, y):
    """Of (n x width) lists of rows."""
    k, m = products(x), products(y)
    return hsic(k, m) / math.sqrt(hsic(k, k) * hsic(m, m))


def plain_cka(x, y):
    """A known wrong formula here: the biased estimate, near 1 for anything once the rows are wide."""

    def centred(rows):
        means = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
        return [[value - mean for value, mean in zip(row, means, strict=True)] for row in rows]

    def together(k, m):
        return sum(p * q for row, other in zip(k, m, strict=True) for p, q in zip(row, other, strict=True))

    k, m = products(centred(x)), products(centred(y))
    return together(k, m) / math.sqrt(together(k, k) * together(m, m))


def norm(row):
    return math.sqrt(sum(value * value for value in row))


def relative_change(base, other, *, over="base"):
    """Mean over positions of (n x width) tensors; `over="other"` is a known wrong formula."""
    shares = [
        norm((b - a).tolist()) / norm((a if over == "base" else b).tolist()) for a, b in zip(base, other, strict=True)
    ]
    return sum(shares) / len(shares)


def mean_cosine(base, other):
    """Mean over positions of (n x width) tensors."""
    return sum(cosine(a, b) for a, b in zip(base, other, strict=True)) / len(base)


def mean_kl(p, q):
    """Mean over positions of KL(p || q) of (n x vocabulary) probabilities."""
    return sum(kl(a, b) for a, b in zip(p, q, strict=True)) / len(p)


def agreement(p, q):
    """Share of positions with the same likeliest token."""
    return sum(max(enumerate(a), key=lambda e: e[1])[0] == max(enumerate(b), key=lambda e: e[1])[0]
               for a, b in zip(p.tolist(), q.tolist(), strict=True)) / len(p)  # fmt: skip


def weight_change(base, other):
    """‖other − base‖ / ‖base‖ of two tensors, number by number."""
    a, b = base.double().flatten().tolist(), other.double().flatten().tolist()
    return norm([y - x for x, y in zip(a, b, strict=True)]) / norm(a)
