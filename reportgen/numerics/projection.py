"""Where a vector stands between two sets, along a direction between them.

The direction has length 1, so that a position on it is in the stream's own units; 0 is midway between the means of both
sets, and the unit is their spread: the standard deviation within the sets, of rows that the direction was not found
with. In a space of more dimensions than rows the rows that it was found with lie apart whatever they are.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Scale:
    """What positions along one direction are measured by."""

    unit: NDArray[np.float64]
    """(width) of length 1; 0 where there is no direction."""
    middle: float
    """Midway between the means of both sets; without sets the mean of the rows that it is held against."""
    spread: float
    """Standard deviation within the sets, or of these rows; NaN where there is none."""

    def place(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        """(row) how many spreads (row x width) rows are from the middle, towards the first set."""
        found: NDArray[np.float64] = (rows.astype(np.float64) @ self.unit - self.middle) / self.spread
        return found


def scale_by_rows(unit: NDArray[np.float64], rows: NDArray[Any]) -> Scale:
    """The scale of a direction that no sets are known of: 0 is the mean of (row x width) rows along it, and the unit
    their standard deviation, n − 1 in the denominator; NaN where they have none.
    """
    along = rows.astype(np.float64) @ unit
    if len(along) < 2:
        return Scale(unit, float("nan"), float("nan"))
    spread = float(along.std(ddof=1))
    return Scale(unit, float(along.mean()), spread if spread > 0 else float("nan"))


def to_unit(direction: NDArray[np.float64]) -> NDArray[np.float64]:
    """(width) of length 1; 0 where it has none."""
    length = float(np.linalg.norm(direction))
    return direction / length if length else direction


def middle_along(unit: NDArray[np.float64], towards: NDArray[Any], away: NDArray[Any]) -> float:
    """Midway between the means of (n x width) and (m x width) rows, along a direction."""
    ends = [float(side.mean(axis=0, dtype=np.float64) @ unit) for side in (towards, away)]
    return sum(ends) / 2


def spread_within(towards: NDArray[np.float64], away: NDArray[np.float64]) -> float:
    """The pooled standard deviation of (n) and (m) positions about their own means, n + m − 2 in the denominator; NaN
    where it is 0.
    """
    squares = sum(float(((side - side.mean()) ** 2).sum()) for side in (towards, away))
    found = (squares / (len(towards) + len(away) - 2)) ** 0.5
    return found if found > 0 else float("nan")
