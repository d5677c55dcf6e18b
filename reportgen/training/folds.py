"""Which rows are held out together: every row once, its label as frequent in each fold, halves of a pair never apart.

The split is drawn before anything is computed of the rows, and depends on labels, units and seed alone, so all layers,
the model and its twin share it. It is scikit-learn's own, so that whoever checks a number can draw it again.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from reportgen.training.units import number_units

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FEWEST = 3
"""Folds that are needed: one to test on, one to choose by, one to fit."""


def count_units(labels: Sequence[str], units: Sequence[Hashable]) -> dict[str, int]:
    """Label -> how many units have a row of it; a unit is a pair, or a row of none."""
    held: dict[str, set[Hashable]] = {}
    for label, unit in zip(labels, units, strict=True):
        held.setdefault(label, set()).add(unit)
    return {label: len(those) for label, those in held.items()}


def deal_folds(labels: Sequence[str], units: Sequence[Hashable], most: int, seed: int) -> NDArray[np.int64]:
    """(row) the fold in which each row is held out: of at most so many, and no more than the rarest label has units.

    scikit-learn's StratifiedKFold, shuffled by the seed; StratifiedGroupKFold where units are of several rows.
    """
    import numpy as np
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    folds = min(most, *count_units(labels, units).values())
    numbers = number_units(units)
    found, nothing = np.empty(len(labels), dtype=np.int64), np.zeros((len(labels), 1))
    if len(set(numbers)) == len(numbers):
        splits = StratifiedKFold(folds, shuffle=True, random_state=seed).split(nothing, list(labels))
    else:
        splits = StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(nothing, list(labels), numbers)
    for fold, (_, held) in enumerate(splits):
        found[held] = fold
    return found
