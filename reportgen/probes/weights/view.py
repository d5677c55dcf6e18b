"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def random_edge(record: Mapping[str, Any]) -> float:
    """About the largest singular value of a random matrix of the same size and spread."""
    sizes = [int(size) for size in record["shape"].split(" x ")]
    rows, columns = sizes[-2:] if len(sizes) > 1 else (1, sizes[0])
    return float(record["std"]) * (math.sqrt(rows) + math.sqrt(columns))
