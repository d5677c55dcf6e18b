"""Slow second implementations of what `under_trained_tokens` measures: rows one by one, wrong formulas by keyword."""

import numpy as np
import torch

from tests.reference.plain import cosine


def distances(table, unused, *, component="out", centred=False):
    """(row) 1 − cosine with the mean of some rows of a (row x width) array, without the first principal component.

    `component="kept"` and `centred=True` are known wrong formulas.
    """
    moved = table - table.mean(axis=0)
    first = np.linalg.svd(moved, full_matrices=False)[2][0]
    rows = moved if centred else table
    if component == "out":
        rows = np.array([row - float(row @ first) * first for row in rows])
    mean = rows[list(unused)].mean(axis=0)
    return [1 - cosine(row, mean) for row in rows]


@torch.no_grad()
def repeat_probability(network, prompts, token, *, over="largest"):
    """The largest probability of a token after each of some prompts (lists of ids); `over="mean"` is a known wrong
    formula.
    """
    found = [float(network(torch.tensor([ids])).logits[0, -1].double().softmax(-1)[token]) for ids in prompts]
    return max(found) if over == "largest" else sum(found) / len(found)
