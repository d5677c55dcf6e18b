"""The coasts of the world."""

from __future__ import annotations

import csv
from functools import cache

import numpy as np
from numpy.typing import NDArray

from reportgen.resources import PACKAGE

FILE = PACKAGE / "data" / "coastlines.csv"


@cache
def read_coasts() -> tuple[NDArray[np.float64], ...]:
    """(vertex x 2) longitudes and latitudes of each coast, from Natural Earth at 1:110 million, simplified."""
    with FILE.open(encoding="utf-8", newline="") as file:
        return tuple(np.array(row, dtype=np.float64).reshape(-1, 2) for row in csv.reader(file))
