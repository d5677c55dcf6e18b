"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reportgen.language import say
from reportgen.numerals import write_share
from reportgen.probes.parameter_census.figures import component_label
from reportgen.probing.view import SubjectView

CLEAR = 1e-4
"""Share of the stream's norm that a change must exceed to be one: another kernel moves float32 by a tenth of it."""


@dataclass(frozen=True)
class _Cell:
    """The change of all tensors of one component in one block."""

    block: int
    component: str
    change: float


def share_of(apart: float, norm: float) -> float:
    """A distance as a share of a norm; 0 where nothing is apart."""
    return apart / norm if norm else 0.0 if apart == 0 else math.nan


def changed_cells(view: SubjectView) -> list[_Cell]:
    """Every block and component, as one vector each."""
    squares: dict[tuple[int, str], NDArray[np.float64]] = {}
    for row in view.rows("weights"):
        if row["block"] is not None and math.isfinite(row["change"]):
            sizes = np.array([row["norm"], row["norm"] * row["change"]]) ** 2
            place = (row["block"], row["component"])
            squares[place] = squares.get(place, np.zeros(2)) + sizes
    return [_Cell(*place, share_of(math.sqrt(apart), math.sqrt(norm))) for place, (norm, apart) in squares.items()]


def name_largest(cells: Sequence[_Cell]) -> str:
    """The cells that changed most, in words."""
    top = max(cells, key=lambda cell: cell.change)
    return say(
        "drift.place",
        "block {block} ({component}, {change})",
        block=top.block,
        component=component_label(top.component),
        change=write_share(top.change),
    )
