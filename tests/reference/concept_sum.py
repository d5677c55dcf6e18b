"""Slow second implementations of what the probe `concept_sum` measures; wrong formulas by keyword."""

import math

from tests.reference.plain import cosine


def scaled(row):
    """A row at norm 1."""
    return row / math.sqrt(sum(value * value for value in row.tolist()))


def direction(rows, parts, *, units=True):
    """The mean over parts of the mean of their tokens' rows at norm 1; `units=False` (as they are) is a known wrong
    formula: a part of great norm would be all that is left.
    """
    total = 0
    for ids in parts:
        pooled = sum(rows[token] for token in ids) / len(ids)
        total = total + (scaled(pooled) if units else pooled)
    return total / len(parts)


def ranking(vector, rows, measure, left_out):
    """(score, id) of rows by falling score."""
    found = []
    for at, row in enumerate(rows):
        if at not in left_out:
            dot = sum(x * y for x, y in zip(vector.tolist(), row.tolist(), strict=True))
            found.append((cosine(vector, row) if measure == "cosine" else dot, at))
    return sorted(found, key=lambda pair: (-pair[0], pair[1]))
