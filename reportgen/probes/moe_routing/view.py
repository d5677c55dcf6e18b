"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from dataclasses import dataclass

from reportgen.numerics.routing import expect_unused
from reportgen.probing.view import SubjectView

SURE = 0.01
"""Chance, over all blocks, up to which the busiest expert is called busier than tokens at random would make one."""
FEW = 0.1
"""Unused experts that random tokens would leave, from which on unused ones say nothing."""
TOLD = 0.01
"""Share of undecided routes that is told of."""


@dataclass(frozen=True)
class View(SubjectView):
    """A model with routed experts."""

    @property
    def busiest(self) -> tuple[int, int, float]:
        """(block, expert, multiple of an even load) of the largest load."""
        row = max(self.rows("blocks"), key=lambda row: float(row["times_even"]))
        return row["block"], row["expert"], row["times_even"]

    @property
    def uneven_blocks(self) -> list[int]:
        """Blocks in which some expert is chosen more often than random tokens would explain."""
        rows = self.rows("blocks")
        return [row["block"] for row in rows if row["chance"] * len(rows) <= SURE]

    @property
    def can_tell_unused(self) -> bool:
        """Whether there are enough tokens for an expert that none of them takes to mean something."""
        tokens, taken, experts = (int(self.metric(name) or 0) for name in ("tokens", "taken", "experts"))
        return expect_unused(tokens, taken, experts) * len(self.rows("blocks")) <= FEW
