"""Slow second implementations of what the probe `embedding_arithmetic` measures; wrong formulas by keyword."""

from tests.reference.plain import cosine


def target(a, b, c, *, sign=1):
    """a − b + c, number by number; `sign=-1` (a + b − c) is a known wrong formula."""
    return a - sign * b + sign * c


def ranking(vector, rows, left_out=()):
    """Ids of rows by falling cosine with a vector, those left out left out."""
    scores = [(cosine(vector, row), at) for at, row in enumerate(rows) if at not in left_out]
    return [at for _, at in sorted(scores, key=lambda pair: (-pair[0], pair[1]))]


def parallelism(pairs, *, centred=False):
    """Cosine of first − second of each two pairs of vectors, in the order of combinations; `centred` (the mean
    difference taken out first) is a known wrong formula.
    """
    differences = [first - second for first, second in pairs]
    if centred:
        mean = sum(differences) / len(differences)
        differences = [difference - mean for difference in differences]
    return [cosine(one, other) for i, one in enumerate(differences) for other in differences[i + 1 :]]
