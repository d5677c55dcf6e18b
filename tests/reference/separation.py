"""How far groups lie apart, by loops over rows of plain transformers."""

import numpy as np
from sklearn.metrics import silhouette_score

from tests.reference.plain import residuals


def unit_rows(network, family, texts):
    """(layer) (text x width): each text at its last token, less the mean of all, of length 1."""
    rows = np.stack([residuals(network, family, ids)[:, -1].numpy() for ids in texts], 1).astype(np.float64)
    return [(one - one.mean(0)) / np.linalg.norm(one - one.mean(0), axis=1, keepdims=True) for one in rows]


def silhouettes(network, family, texts, groups):
    """(layer)"""
    return [silhouette_score(rows, groups) for rows in unit_rows(network, family, texts)]


def partings(network, family, a, b):
    """(layer) 1 − the mean distance within the sets by that between them."""
    found = []
    for rows in unit_rows(network, family, [*a, *b]):
        first, second = rows[: len(a)], rows[len(a) :]
        within = [
            np.mean([np.linalg.norm(x - y) for i, x in enumerate(one) for j, y in enumerate(one) if i != j])
            for one in (first, second)
        ]
        between = np.mean([np.linalg.norm(x - y) for x in first for y in second])
        found.append(1 - sum(within) / (2 * between))
    return found
