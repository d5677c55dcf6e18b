"""A slow second arithmetic of sparse autoencoders: float64, one row and one feature at a time.

The keyword arguments make known wrong formulas.
"""

import math

import numpy as np


def encode(row, held, *, kind, k=None, subtract=False, normalise="none", rescale=False, at_threshold=False):
    """(feature) activations of one row; `held` has SAELens' names."""
    x, _, _ = normalised(row, normalise)
    if subtract:
        x = x - held["b_dec"]
    features = held["W_enc"].shape[1]
    out = np.zeros(features)
    norms = [math.sqrt(sum(v * v for v in held["W_dec"][i])) if rescale else 1.0 for i in range(features)]
    before = [sum(x * held["W_enc"][:, i]) for i in range(features)]
    if kind == "gated":
        for i in range(features):
            magnitude = before[i] * math.exp(held["r_mag"][i]) + held["b_mag"][i]
            out[i] = max(magnitude, 0.0) if before[i] + held["b_gate"][i] > 0 else 0.0
        return out
    before = [(before[i] + held["b_enc"][i]) * norms[i] for i in range(features)]
    if kind == "topk":
        for i in sorted(range(features), key=lambda i: -before[i])[:k]:
            out[i] = max(before[i], 0.0)
        return out
    for i in range(features):
        fires = before[i] > 0
        if kind == "jumprelu":
            fires = before[i] > held["threshold"][i] or (at_threshold and before[i] == held["threshold"][i])
        out[i] = max(before[i], 0.0) if fires else 0.0
    return out


def decode(activations, row, held, *, normalise="none", rescale=False):
    """(width) what one row's activations stand for."""
    _, factor, shift = normalised(row, normalise)
    out = np.array(held["b_dec"], dtype=np.float64)
    for i, value in enumerate(activations):
        direction = held["W_dec"][i]
        out = out + value * (direction / np.linalg.norm(direction) if rescale else direction)
    return out * factor + shift


def normalised(row, normalise):
    """A row as it is encoded, and the factor and shift that undo it."""
    if normalise == "constant_norm_rescale":
        factor = np.linalg.norm(row) / math.sqrt(len(row))
        return row / factor, factor, 0.0
    if normalise == "layer_norm":
        shift, factor = row.mean(), row.std(ddof=1)
        return (row - shift) / (factor + 1e-5), factor, shift
    return row, 1.0, 0.0


def fvu(rows, reconstructed):
    """Σ|x - y|² / Σ|x - mean|² over all rows at once."""
    return ((rows - reconstructed) ** 2).sum() / ((rows - rows.mean(0)) ** 2).sum()


def averaged_explained_variance(rows, reconstructed, size):
    """A published formula that is wrong: batch by batch, each row's error over a sum of *its* squared distances."""
    shares = []
    for start in range(0, len(rows), size):
        x, y = rows[start : start + size], reconstructed[start : start + size]
        shares.extend(1 - ((x - y) ** 2).sum(-1) / ((x - x.mean(0)) ** 2).sum(-1))
    return float(np.mean(shares))


def error_a_token_over_variance_of_all(rows, reconstructed):
    """Another: the squared error is divided by the tokens, the variance is not."""
    return 1 - ((rows - reconstructed) ** 2).sum() / len(rows) / ((rows - rows.mean(0)) ** 2).sum()
