"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import sqrt
from typing import Literal

import numpy as np

from reportgen.probing.view import SubjectView

CLEAR = 0.05
"""Of the edges, by which a model must exceed its controls at least before it is said to show more than they do."""
ERRORS = 2.0
"""Standard errors of a difference of two shares of so many edges, by which it must exceed them at least."""
MIDDLE = (0.2, 0.8)
"""Shares of the depth between which a layer is in the middle."""

Control = Literal["chain", "embedding", "twin"]


@dataclass(frozen=True)
class DrawnSentence:
    """A sentence whose trees are drawn."""

    number: int
    text: str
    words: list[str]
    counted: list[int]
    """Places of the words that are no punctuation."""
    heads: list[int | None]
    gold: list[tuple[int, int]]
    found: list[tuple[int, int]]


class View(SubjectView):
    """One subject."""

    @cached_property
    def layers(self) -> tuple[int, ...]:
        """Those that were measured, layer 0 first."""
        return self.along("uuas", "layer")

    @cached_property
    def best(self) -> int | None:
        """The best layer's place among them; None where none is measured."""
        layer = self.metric("best_layer")
        return None if layer is None else self.layers.index(int(layer))

    @property
    def has_twin(self) -> bool:
        """Whether the same was done with random weights."""
        return "uuas_random" in self.outcome.arrays and bool(np.isfinite(self.values("uuas_random")).any())

    @cached_property
    def controls(self) -> dict[Control, float]:
        """What the best layer is compared with, as far as it is known."""
        known: dict[Control, float | int | None] = {
            "chain": self.metric("uuas_chain"),
            "embedding": self.metric("uuas_embedding"),
            "twin": self.metric("uuas_twin") if self.has_twin else None,
        }
        return {name: float(value) for name, value in known.items() if value is not None}

    @cached_property
    def strongest(self) -> Control:
        """The control that gives back most."""
        return max(self.controls, key=lambda name: self.controls[name])

    @property
    def margin(self) -> float:
        """By how much the best layer must exceed it."""
        share, edges = float(self.metric("uuas") or 0), int(self.metric("edges") or 1)
        return max(CLEAR, ERRORS * sqrt(2 * share * (1 - share) / edges))

    @property
    def exceeds_controls(self) -> bool:
        """Whether it does."""
        return float(self.metric("uuas") or 0) - self.controls[self.strongest] >= self.margin

    @property
    def has_hump(self) -> bool | None:
        """Whether the best layer is in the middle, and the first and the last layer are below it by the margin; None
        where the last layer was not measured, or none in the middle.
        """
        uuas = self.values("uuas")
        inner = [layer for layer in self.layers if MIDDLE[0] <= layer / self.last_layer <= MIDDLE[1]]
        if self.best is None or self.layers[-1] != self.last_layer or not inner or not np.isfinite(uuas[-1]):
            return None
        lower = max(uuas[0], uuas[-1]) <= uuas[self.best] - self.margin
        return bool(self.layers[self.best] in inner and lower)

    @cached_property
    def drawn(self) -> list[DrawnSentence]:
        """The sentences whose trees are drawn."""
        return [self._read_drawn(row["sentence"], row["text"]) for row in self.rows("shown")]

    def _read_drawn(self, number: int, text: str) -> DrawnSentence:
        words = [row for row in self.rows("parses") if row["sentence"] == number]
        counted = [row["place"] for row in words if row["counted"]]
        heads = [row["head"] for row in words]
        gold = sorted(
            (min(place, head), max(place, head))
            for place, head in enumerate(heads)
            if head is not None and place in counted and head in counted
        )
        found = [(row["first"], row["second"]) for row in self.rows("recovered") if row["sentence"] == number]
        return DrawnSentence(number, text, [str(row["word"]) for row in words], counted, heads, gold, found)
