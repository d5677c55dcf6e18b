"""The axis of a training: where the step of a checkpoint stands on it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

LOGARITHMIC_FROM = 100.0
"""The last step as a multiple of the first above 0, from which the axis is logarithmic: two decades."""


@dataclass(frozen=True)
class StepScale:
    """Steps from left to right; linear, or logarithmic where they span two decades, so that early ones stand apart.

    With a step 0 a logarithmic axis is asinh(step / first step above 0), which is linear up to there.
    """

    first: float
    last: float
    unit: float = 0.0
    """The first step above 0 of a logarithmic axis; 0 of a linear one."""

    @classmethod
    def of(cls, steps: Sequence[int]) -> "StepScale":
        """The scale on which these steps are shown; there is one at least."""
        first, last = min(steps), max(steps)
        above = min((step for step in steps if step > 0), default=0)
        return cls(first, last, above if above and last >= LOGARITHMIC_FROM * above else 0.0)

    @property
    def words(self) -> str:
        """What is said of it: "linear", or from where on it is logarithmic."""
        if not self.unit:
            return "linear"
        return "logarithmic" if self.first > 0 else "logarithmic, and linear below its first step above 0"

    def place(self, step: float) -> float:
        """Where a step stands, from 0 to 1; the only one stands at 0."""
        low, high = self._bend(self.first), self._bend(self.last)
        return (self._bend(step) - low) / (high - low) if high > low else 0.0

    def list_powers(self) -> list[float]:
        """The numbers of a logarithmic axis: 0 where it has one, and the powers of ten."""
        lowest, highest = math.ceil(math.log10(self.unit) - 1e-9), math.floor(math.log10(self.last) + 1e-9)
        zero = [] if self.first > 0 else [0.0]
        return [*zero, *(10.0**power for power in range(lowest, highest + 1))]

    def _bend(self, step: float) -> float:
        if not self.unit:
            return step
        return math.log(step / self.unit) if self.first > 0 else math.asinh(step / self.unit)
