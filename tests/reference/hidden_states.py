"""Norms and differences of the stream of two texts, number by number."""

import math

from tests.reference.plain import residuals


def norm(row):
    """Of one vector, by a loop."""
    return math.sqrt(sum(x * x for x in row.tolist()))


def norms(network, family, ids):
    """(layer x position) lists."""
    return [[norm(row) for row in layer] for layer in residuals(network, family, ids)]


def differences(network, family, one, other, *, layer_shift=0):
    """(layer x position) lists of the largest absolute difference; `layer_shift` makes a known wrong formula."""
    a, b = residuals(network, family, one), residuals(network, family, other)
    found = []
    for layer in range(len(a)):
        b_layer = b[min(layer + layer_shift, len(b) - 1)]
        pairs = zip(a[layer].tolist(), b_layer.tolist(), strict=False)
        found.append([max(abs(x - y) for x, y in zip(p, q, strict=True)) for p, q in pairs])
    return found


def prefix(one, other):
    """Tokens that both begin with."""
    count = 0
    while count < min(len(one), len(other)) and one[count] == other[count]:
        count += 1
    return count
