"""A linear probe as scikit-learn alone gives it: every layer in a loop, in all dimensions, its splits drawn again.

Keyword arguments make known wrong formulas.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.reference.plain import residuals


def rows_at(network, family, prompts, positions):
    """(layer x prompt x width)"""
    return np.stack(
        [residuals(network, family, ids).numpy()[:, at] for ids, at in zip(prompts, positions, strict=True)], axis=1
    )


def splits(labels, groups, folds, seed):
    """[(fitted, held out)] rows of each fold."""
    nothing = np.zeros((len(labels), 1))
    if len(set(groups)) == len(groups):
        return list(StratifiedKFold(folds, shuffle=True, random_state=seed).split(nothing, labels))
    return list(StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(nothing, labels, groups))


def fitted_probe(rows, labels, penalty=1.0):
    """Scaled to the rows that it is fitted to."""
    probe = LogisticRegression(C=1 / penalty, tol=1e-8, max_iter=10_000)
    return make_pipeline(StandardScaler(), probe).fit(rows, labels)


def right(rows, labels, groups, folds, seed, *, seen=False):
    """(layer x prompt) whether the probe of the other folds is right; `seen`: of a probe that has seen them all."""
    labels = np.array(labels)
    found = np.zeros(rows.shape[:2], dtype=bool)
    for layer, one in enumerate(rows):
        for fitted, held in splits(labels, groups, folds, seed):
            known = np.arange(len(labels)) if seen else fitted
            found[layer, held] = fitted_probe(one[known], labels[known]).predict(one[held]) == labels[held]
    return found


def random_coordinates(types, width, seed, draw, *, per_row=False):
    """(1 x row x width) one row of normal numbers for each type; `per_row`: the same word has another in each row."""
    numbers = np.random.default_rng([seed, 2, draw])
    if per_row:
        return numbers.standard_normal((1, len(types), width))
    known = {}
    for one in types:
        if one not in known:
            known[one] = numbers.standard_normal(width)
    return np.array([[known[one] for one in types]])


def accuracy_of_random_coordinates(types, width, labels, groups, folds, seed, draws, **wrong):
    """The mean over the draws of the share that is right."""
    drawn = [random_coordinates(types, width, seed, draw, **wrong) for draw in range(draws)]
    return np.mean([right(rows, labels, groups, folds, seed) for rows in drawn])


def chosen_layers(rows, labels, groups, folds, seed):
    """(fold) the layer that is best on the other folds, by probes that have seen neither these nor this one."""
    labels, split = np.array(labels), splits(labels, groups, folds, seed)
    chosen = []
    for at, (_, left_out) in enumerate(split):
        counts = []
        for one in rows:
            count = 0
            for other, (_, tested) in enumerate(split):
                if other != at:
                    fitted = sorted(set(range(len(labels))) - set(left_out) - set(tested))
                    count += int(
                        (fitted_probe(one[fitted], labels[fitted]).predict(one[tested]) == labels[tested]).sum()
                    )
            counts.append(count)
        chosen.append(counts.index(max(counts)))
    return chosen


def direction(rows, labels, label, penalty=1.0):
    """(width) how fast the log-odds of one of two labels grow along each dimension of the stream, by differences."""
    own = [one == label for one in labels]
    probe = fitted_probe(rows.astype(np.float64), own, penalty)
    here = rows.astype(np.float64).mean(axis=0)
    steps = np.eye(rows.shape[1])
    return (
        np.array([probe.decision_function([here + s])[0] - probe.decision_function([here - s])[0] for s in steps]) / 2
    )
