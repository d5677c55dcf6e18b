"""How far two sets of rows lie apart along a direction that was found without the rows that are placed on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.numerics.detection import auc
from reportgen.numerics.projection import middle_along, spread_within, to_unit

Method = Callable[[NDArray[Any], NDArray[Any]], NDArray[np.float64]]
"""From rows of the one set and of the other to a direction from the other to the one."""


@dataclass(frozen=True)
class Separation:
    """How far held-out rows of both sets lie apart."""

    positions: NDArray[np.float64]
    """(row) from midway between the sets, along the unit direction that was found without the row's fold."""
    auc: float
    """Chance that a row of the one set stands further towards it than one of the other."""
    spread: float
    """Standard deviation of the positions within the sets; NaN where there is none."""
    apart: float
    """Difference of the sets' mean positions, in spreads."""


def separate_held_out(
    rows: NDArray[Any], own: NDArray[np.bool_], folds: NDArray[np.int64], method: Method
) -> Separation:
    """Of (row x width) rows, of which `own` are the one set's."""
    positions = np.empty(len(rows))
    for fold in range(folds.max() + 1):
        held = folds == fold
        sides = rows[~held & own], rows[~held & ~own]
        unit = to_unit(method(*sides))
        positions[held] = rows[held].astype(np.float64) @ unit - middle_along(unit, *sides)
    one, other = positions[own], positions[~own]
    spread = spread_within(one, other)
    return Separation(positions, auc(one, other), spread, float(one.mean() - other.mean()) / spread)
