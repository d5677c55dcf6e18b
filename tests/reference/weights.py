"""A tensor's numbers one by one, as Python floats."""

import math

import torch


def summary(tensor, *, sample=False):
    """(mean, std, min, max, share of zeros); `sample` divides by n - 1, a known wrong formula."""
    values = tensor.double().flatten().tolist()
    mean = math.fsum(values) / len(values)
    squares = math.fsum((value - mean) ** 2 for value in values)
    std = math.sqrt(squares / (len(values) - 1 if sample else len(values)))
    return mean, std, min(values), max(values), sum(value == 0 for value in values) / len(values)


def histogram(tensor, low, high, bins):
    """Shares in equal steps, by comparing each number with each edge; the last bin holds its upper end."""
    values = tensor.double().flatten().tolist()
    edges = [low + (high - low) * i / bins for i in range(bins + 1)]
    counts = []
    for i in range(bins):
        last = i == bins - 1
        counts.append(sum(edges[i] <= v < edges[i + 1] or (last and v == edges[bins]) for v in values))
    return [count / len(values) for count in counts]


def singular_values(tensor):
    """By decomposing the matrix itself."""
    return torch.linalg.svdvals(tensor.double()).tolist()
