"""A direction between two sets and where texts stand on it, one prompt and one fold at a time on plain transformers.

Keyword arguments make known wrong formulas.
"""

import numpy as np
from sklearn.metrics import roc_auc_score

from tests.reference.linear_probe import splits
from tests.reference.plain import residuals


def mean_row(network, family, ids, layer, *, whole=False):
    """(width) mean over the tokens behind the first; `whole`: the first too."""
    return residuals(network, family, ids)[layer].double().numpy()[0 if whole else 1 :].mean(axis=0)


def unit_between(rows, own):
    """(width)"""
    difference = rows[own].mean(axis=0) - rows[~own].mean(axis=0)
    return difference / np.linalg.norm(difference)


def middle(rows, own, unit):
    return ((rows[own] @ unit).mean() + (rows[~own] @ unit).mean()) / 2


def pooled(positions, own):
    """Standard deviation within both sets."""
    sides = positions[own], positions[~own]
    return np.sqrt(sum(((side - side.mean()) ** 2).sum() for side in sides) / (len(positions) - 2))


def held_out(rows, own, folds, seed):
    """(row) positions, each along what is found without its fold; their AUC."""
    labels = ["towards" if one else "away" for one in own]
    positions = np.empty(len(rows))
    for fitted, held in splits(labels, list(range(len(rows))), folds, seed):
        unit = unit_between(rows[fitted], own[fitted])
        positions[held] = rows[held] @ unit - middle(rows[fitted], own[fitted], unit)
    return positions, roc_auc_score(own, positions)


def values(network, family, ids, layer, rows, own, folds, seed, *, seen=False):
    """(position) in spreads of held-out prompts; `seen`: of those that the direction was found with."""
    unit = unit_between(rows, own)
    positions = rows @ unit if seen else held_out(rows, own, folds, seed)[0]
    stream = residuals(network, family, ids)[layer].double().numpy()
    return (stream @ unit - middle(rows, own, unit)) / pooled(positions, own)


def along_file(network, family, texts, layer, vector, *, raw=False):
    """[(position)] of each text, h·v̂ less its mean over all tokens behind the first, in their standard deviations;
    `raw`: as it is.
    """
    unit = vector / np.linalg.norm(vector)
    along = [residuals(network, family, ids)[layer].double().numpy() @ unit for ids in texts]
    if raw:
        return along
    tokens = np.concatenate([one[1:] for one in along])
    return [(one - tokens.mean()) / tokens.std(ddof=1) for one in along]
