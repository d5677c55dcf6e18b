"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from reportgen.probing.probe import prompt_texts
from reportgen.probing.view import SubjectView

WHOLE, TOP_K, TOP_P = "none", "top_k", "top_p"
"""Names of the cuts in the tables."""
OWN = 1.0
"""The temperature of the model's own distribution."""
Place = tuple[int, float, str]
"""(prompt, temperature, cut)"""


class View(SubjectView):
    """One subject by prompt, temperature and cut: tables are long, and looked through once."""

    @cached_property
    def labels(self) -> list[str]:
        """(prompt) its text, or the last message of a chat: what the next token follows."""
        return prompt_texts(self.outcome)

    @cached_property
    def temperatures(self) -> list[float]:
        """Ascending."""
        return self.column("temperatures", "temperature")

    @cached_property
    def top(self) -> Mapping[Place, Sequence[Mapping[str, Any]]]:
        """(prompt, temperature, cut) -> rows by rank."""
        top: dict[Place, list[Mapping[str, Any]]] = {}
        for row in self.rows("top"):
            top.setdefault(_place(row), []).append(row)
        return top

    @cached_property
    def settings(self) -> Mapping[Place, Mapping[str, Any]]:
        """(prompt, temperature, cut) -> what is kept there."""
        return {_place(row): row for row in self.rows("settings")}


def _place(row: Mapping[str, Any]) -> Place:
    return row["prompt"], row["temperature"], row["cut"]
