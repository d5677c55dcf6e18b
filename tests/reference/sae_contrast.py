"""Changes of features between two models by hand: one feature, one token, one pattern of signs at a time. Keyword
arguments make wrong ones."""

import math
from itertools import product

import numpy as np

from tests.reference import plain
from tests.reference.sae_features import activations, weights


def of_prompts(network, family, prompts, folder, layer, **wrong):
    """(prompt) list of (token x feature) activations, BOS left out."""
    return [activations(network, family, ids, folder, layer, **wrong) for ids in prompts]


def t_parts(base, other, feature, *, pooled=False, ddof=1):
    """Means of one feature in both and the standard error of the mean difference of (prompt) lists of matrices."""
    one, two = ([float(prompt[:, feature].mean()) for prompt in side] for side in (base, other))
    apart = [b - a for a, b in zip(one, two, strict=True)]
    error = math.sqrt(float(np.var(apart, ddof=ddof)) / len(apart))
    if pooled:
        one, two = ([float(np.concatenate(side)[:, feature].mean())] for side in (base, other))
    return sum(one) / len(one), sum(two) / len(two), error


def changed(base, other, *, errors=2.0, **wrong):
    """Feature -> its difference, of all that count."""
    found = {}
    for feature in range(base[0].shape[1]):
        one, two, error = t_parts(base, other, feature, **wrong)
        if abs(two - one) > errors * error and abs(two - one) > 1e-4 * max(one, two):
            found[feature] = two - one
    return found


def by_chance(base, other):
    """The 95th percentile of how many count over all patterns of signs, one of each pair of opposite ones, but the
    patterns that change nothing."""
    counts = []
    means = [np.stack([prompt.mean(0) for prompt in side]) for side in (base, other)]
    most = np.maximum(means[0].mean(0), means[1].mean(0))
    for signs in product([1.0, -1.0], repeat=len(base)):
        if signs[-1] < 0 or all(sign > 0 for sign in signs):
            continue
        count = 0
        for feature in range(means[0].shape[1]):
            apart = [s * (b - a) for s, a, b in zip(signs, means[0][:, feature], means[1][:, feature], strict=True)]
            mean, error = np.mean(apart), np.std(apart, ddof=1) / math.sqrt(len(apart))
            count += bool(abs(mean) > 2 * error and abs(mean) > 1e-4 * most[feature])
        counts.append(count)
    return float(np.quantile(counts, 0.95)), len(counts)


def in_common(base, other, *, over="either", shift=0):
    """Mean over the tokens of the share of the features that fire which fire in both."""
    ours, theirs = np.concatenate(base), np.concatenate(other)
    shares = []
    for at in range(len(ours)):
        one = set(np.flatnonzero(ours[at]).tolist())
        two = set(np.flatnonzero(theirs[(at - shift) % len(ours)]).tolist())
        whole = one | two if over == "either" else one
        if whole:
            shares.append(len(one & two) / len(whole))
    return float(np.mean(shares))


def fvu(network, family, prompts, folder, layer, *, centred=True):
    """Of all tokens of the prompts together, BOS left out."""
    held = weights(folder)
    rows = np.concatenate([plain.residuals(network, family, ids)[layer].double().numpy()[1:] for ids in prompts])
    fired = np.concatenate(of_prompts(network, family, prompts, folder, layer))
    error = sum(
        float(((row - f @ held["W_dec"] - held["b_dec"]) ** 2).sum()) for row, f in zip(rows, fired, strict=True)
    )
    middle = rows.mean(0) if centred else 0.0
    return error / float(((rows - middle) ** 2).sum())
