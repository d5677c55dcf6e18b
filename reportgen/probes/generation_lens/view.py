"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from reportgen.language import say
from reportgen.probing.probe import (
    prompt_labels,
)
from reportgen.results.quantities import Outcome

LONGEST_LABEL = 48
"""Characters of a prompt that a statement or a title quotes."""
Key = tuple[int, int]
"""(prompt, attempt)"""


@dataclass(frozen=True)
class View:
    """An outcome by trace: tables are long, and looked through once."""

    name: str
    subject: str
    labels: Sequence[str]
    """(prompt)"""
    traces: Sequence[Key]
    attempts: Mapping[Key, Mapping[str, Any]]
    written: Mapping[Key, Sequence[Mapping[str, Any]]]
    emoji: Mapping[Key, Sequence[Mapping[str, Any]]]
    joined: int
    """Characters of several tokens."""
    cells: Mapping[tuple[int, int, int, int], Sequence[Mapping[str, Any]]]
    """(prompt, attempt, step, layer) -> rows by rank."""
    probability: NDArray[Any]
    """(prompt x attempt x step x layer)"""

    @classmethod
    def of(cls, name: str, subject: str, outcome: Outcome) -> View:
        """What an outcome holds, as figures and sentence read it."""
        attempts = {_key(row): row for row in outcome.tables["attempts"].records()}
        written: dict[Key, list[Mapping[str, Any]]] = {}
        for row in outcome.tables["written"].records():
            written.setdefault(_key(row), []).append(row)
        emoji: dict[Key, list[Mapping[str, Any]]] = {}
        found = outcome.tables["characters"].records()
        for row in found:
            if row["kind"] == "emoji":
                emoji.setdefault(_key(row), []).append(row)
        cells: dict[tuple[int, int, int, int], list[Mapping[str, Any]]] = {}
        for row in outcome.tables["top"].records():
            cells.setdefault((*_key(row), row["step"], row["layer"]), []).append(row)
        return cls(
            name=name,
            subject=subject,
            labels=prompt_labels(outcome),
            traces=list(attempts),
            attempts=attempts,
            written=written,
            emoji=emoji,
            joined=sum(row["tokens"] > 1 and row["kind"] != "fragment" for row in found),
            cells=cells,
            probability=outcome.arrays["probability"].values,
        )

    @property
    def last(self) -> int:
        """The last layer."""
        return int(self.probability.shape[-1]) - 1

    def quoted(self, prompt: int) -> str:
        """The start of a prompt."""
        label = self.labels[prompt]
        return label if len(label) <= LONGEST_LABEL else f"{label[:LONGEST_LABEL]}…"

    def told(self, trace: Key) -> str:
        """What a trace is called in a title."""
        prompt, attempt = trace
        if sum(one[0] == prompt for one in self.traces) == 1:
            return say("generation_lens.after", "after “{prompt}”", prompt=self.quoted(prompt))
        return say(
            "generation_lens.after_again",
            "after “{prompt}”, attempt {attempt}",
            prompt=self.quoted(prompt),
            attempt=attempt + 1,
        )


def _key(row: Mapping[str, Any]) -> Key:
    return row["prompt"], row["attempt"]


def first_emoji_tokens(view: View, trace: Key) -> list[Mapping[str, Any]]:
    """The written tokens of a trace's first emoji."""
    if not view.emoji.get(trace):
        return []
    first = view.emoji[trace][0]
    return [t for t in view.written[trace] if first["position"] <= t["position"] <= first["last_position"]]
