"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath

from reportgen.probes.concept_directions.options import name_by_file
from reportgen.probing.view import SubjectView

SEPARATES = 0.75
"""Held-out AUC from which a direction tells the sets apart at all."""
BEYOND_SHUFFLED = 0.1
"""AUC by which it is above that of shuffled sets, each at its own best layer."""


@dataclass(frozen=True)
class FollowedToken:
    """One token of a text."""

    position: int
    text: str
    value: float | None
    """In spreads; None where it does not count."""
    random: float | None
    """What 95 % of random directions stay within."""
    written: bool

    @property
    def stands_out(self) -> bool:
        """Whether it is further out than 95 % of random directions put it."""
        return self.value is not None and self.random is not None and abs(self.value) > self.random


@dataclass(frozen=True)
class View(SubjectView):
    """One subject with what was found along the direction."""

    @property
    def names(self) -> tuple[str, str]:
        """What both sides are called: what the direction points to, and what it comes from."""
        if self.from_file:
            towards, away = self.options.get("names") or name_by_file(self.file)
            return towards, away
        called = list(dict.fromkeys(map(str, self.column("sides", "side"))))  # those that it points to come first
        return called[0], called[-1]

    @property
    def file(self) -> str:
        """The name of the file that the direction comes from, where it does."""
        return PurePath(self.options["direction"]).name

    @property
    def from_file(self) -> bool:
        """Whether the direction was found elsewhere: no sets tell how well it separates."""
        return "layer_auc" not in self.outcome.arrays

    @property
    def stands_out(self) -> bool:
        """Whether more tokens are far out than random directions put there; of a direction from a file."""
        share, drawn = self.metric("standing_out"), self.metric("random_standing_out")
        return share is not None and drawn is not None and share > drawn

    @property
    def separates(self) -> bool:
        """Whether the direction tells the sets apart, on prompts that it was not found with."""
        auc, shuffled = self.metric("auc") or 0, self.metric("shuffled_auc") or 0
        return auc >= SEPARATES and auc >= shuffled + BEYOND_SHUFFLED

    def tokens_of(self, prompt: int) -> list[FollowedToken]:
        """The tokens of a text."""
        return [
            FollowedToken(row["position"], str(row["token"]), row["value"], row["random"], row["written"])
            for row in self.rows("tokens")
            if row["prompt"] == prompt
        ]

    def all_tokens(self) -> list[FollowedToken]:
        """Those of all texts that count."""
        found = [token for row in self.rows("texts") for token in self.tokens_of(row["prompt"])]
        return [token for token in found if token.value is not None]
