"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from reportgen.results.quantities import Outcome

WHOLE, TOP_K, TOP_P = "none", "top_k", "top_p"
"""Names of the cuts in the tables."""
OWN = 1.0
"""The temperature of the model's own distribution."""


@dataclass(frozen=True)
class View:
    """An outcome by prompt, temperature and cut: tables are long, and looked through once."""

    name: str
    subject: str
    labels: Sequence[str]
    """(prompt) its text, or the last message of a chat: what the next token follows."""
    temperatures: Sequence[float]
    top: Mapping[tuple[int, float, str], Sequence[Mapping[str, Any]]]
    settings: Mapping[tuple[int, float, str], Mapping[str, Any]]
    entropy: NDArray[Any]
    """(prompt x item)"""
    options: Mapping[str, Any]

    @classmethod
    def of(cls, name: str, subject: str, outcome: Outcome) -> View:
        """What an outcome holds, as figures and sentence read it."""
        top: dict[tuple[int, float, str], list[Mapping[str, Any]]] = {}
        for row in outcome.tables["top"].records():
            top.setdefault(_place(row), []).append(row)
        return cls(
            name=name,
            subject=subject,
            labels=[str(p.get("text") or p["messages"][-1]["content"]) for p in outcome.options["prompts"]],
            temperatures=outcome.tables["temperatures"].column("temperature"),
            top=top,
            settings={_place(row): row for row in outcome.tables["settings"].records()},
            entropy=outcome.arrays["entropy"].values,
            options=outcome.options,
        )


def _place(row: Mapping[str, Any]) -> tuple[int, float, str]:
    return row["prompt"], row["temperature"], row["cut"]
