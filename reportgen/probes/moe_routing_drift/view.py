"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reportgen.probing.view import SubjectView

PAIR, BASE, OTHER = "pair", "base", "other"
"""What rows of flips by margin are about: both models, or one and its rounded self."""


@dataclass(frozen=True)
class View(SubjectView):
    """A pair of models."""

    def by_margin(self, which: str) -> list[dict[str, Any]]:
        """Ranges of margins that hold routes, from the smallest."""
        return [row for row in self.rows("margins") if row["model"] == which and row["routes"]]
