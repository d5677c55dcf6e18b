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
        """Ranges of margins from the smallest, up to the last in which anything has routes."""
        rows = self.rows("margins")
        lows = [row["from"] for row in rows if row["routes"]]
        return [row for row in rows if row["model"] == which and row["from"] <= max(lows, default=0.0)]
