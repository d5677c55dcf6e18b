"""Slow second implementations of what `similarity_between_models` measures: loops over items, wrong formulas by
keyword.
"""

import math
import statistics

from tests.reference.plain import cosine


def neighbours(rows, candidates, k):
    """(n) the set of the k nearest of every row, by cosine to nine decimals, equal ones by their place.

    candidates: (n x n) whether one may be a neighbour of the other.
    """
    found = []
    for i, row in enumerate(rows):
        allowed = [j for j in range(len(rows)) if candidates[i][j]]
        allowed.sort(key=lambda j: (-round(float(cosine(row, rows[j])), 9), j))
        found.append(set(allowed[:k]))
    return found


def mutual_knn(one, other, candidates, k, *, over="k"):
    """Mean share of the neighbours that are the same; `over="union"` (Jaccard) is a known wrong formula."""
    shares = []
    for a, b in zip(neighbours(one, candidates, k), neighbours(other, candidates, k), strict=True):
        shares.append(len(a & b) / (k if over == "k" else len(a | b)))
    return sum(shares) / len(shares)


def calibrated(score, shuffled, *, over="spread"):
    """(score − mean) / standard deviation; `over="error"`, the standard error, is a known wrong formula."""
    spread = statistics.stdev(shuffled)
    return (score - statistics.fmean(shuffled)) / (spread if over == "spread" else spread / math.sqrt(len(shuffled)))


def chance(tables, cell, *, beside="highest"):
    """Share of orders (tables[0] is the true one; {cell: score} each) in which the highest of all cells, in standard
    deviations over the orders, is at least as high as this cell in the true one; `beside="itself"`, which forgets
    that many cells were looked at, is a known wrong formula.
    """
    heights = [{} for _ in tables]
    for at in tables[0]:
        scores = [table[at] for table in tables]
        for height, score in zip(heights, scores, strict=True):
            height[at] = (score - statistics.fmean(scores)) / statistics.stdev(scores)
    compared = [max(height.values()) if beside == "highest" else height[cell] for height in heights]
    return sum(value >= heights[0][cell] - 1e-6 for value in compared) / len(tables)


def shared_ends(spans, others):
    """Pairs of positions whose tokens end at the same character, the last of several; `spans` are (start, end) of the
    text's own tokens, by position.
    """
    pairs = {}
    for i, (_, end) in spans.items():
        for j, (_, other) in others.items():
            if end == other and end:
                pairs[end] = (max(i, pairs.get(end, (i, j))[0]), max(j, pairs.get(end, (i, j))[1]))
    return [pairs[end] for end in sorted(pairs)]
