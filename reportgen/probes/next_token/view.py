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

    @cached_property
    def mapped(self) -> Mapping[tuple[int, str], Sequence[Mapping[str, Any]]]:
        """(prompt, map) -> rows by rank, of other maps than softmax; none in bundles that hold none."""
        found: dict[tuple[int, str], list[Mapping[str, Any]]] = {}
        for row in self.rows("mapped") if "mapped" in self.outcome.tables else []:
            found.setdefault((row["prompt"], row["map"]), []).append(row)
        return found

    @cached_property
    def answers(self) -> Mapping[int, Mapping[str, Any]]:
        """Prompt -> where its right answer stands; none in bundles that hold none."""
        return {row["prompt"]: row for row in (self.rows("answers") if "answers" in self.outcome.tables else [])}

    @cached_property
    def kept_by_map(self) -> Mapping[tuple[int, str], int]:
        """(prompt, map) -> tokens that it gives more than 0."""
        rows = self.rows("maps") if "maps" in self.outcome.tables else []
        return {(row["prompt"], row["map"]): row["kept"] for row in rows}


def _place(row: Mapping[str, Any]) -> Place:
    return row["prompt"], row["temperature"], row["cut"]
