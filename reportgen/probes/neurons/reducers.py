"""What is kept of activations while a text passes: how many neurons are off, not which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reportgen.model.needs import ByIndex
from reportgen.numerics.openness import count_closed, count_silent

if TYPE_CHECKING:
    from torch import Tensor

Counts = tuple[int, int, int]
"""Closed, silent, and all (token, neuron) pairs."""


@dataclass(frozen=True)
class OffCounts(ByIndex):
    """Counts of a block over the positions of a text."""

    left_out: tuple[int, ...] = ()
    """Positions that do not count."""

    def update(self, state: dict[int, Counts], value: Tensor, *, index: int, step: int) -> dict[int, Counts]:
        """Adds one block's (position x feature) activations."""
        kept = [position for position in range(len(value)) if position not in self.left_out]
        rows = value[kept].float()
        return state | {index: (int(count_closed(rows).sum()), int(count_silent(rows).sum()), rows.numel())}
