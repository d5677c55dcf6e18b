"""What is kept of what components write while a text passes: named by the plan, so torch is imported at its use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reportgen.model.needs import ByIndex

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Total(ByIndex):
    """A reducer that keeps the sum of a site's rows over the positions it is given, in float64."""

    def update(self, state: dict[int, Tensor], value: Tensor, *, index: int, step: int) -> dict[int, Tensor]:
        """One layer's or block's (position x width) rows."""
        state[index] = value.cpu().double().sum(0)  # not every accelerator has float64
        return state
