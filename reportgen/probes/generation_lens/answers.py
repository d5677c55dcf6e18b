"""Where in a written text, and where in depth, the right answer is expected, and whether the text has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reportgen.results.quantities import Cell
from reportgen.text.answer_tokens import find_answer, opening_tokens
from reportgen.text.tokens import TextTokenizer


@dataclass(frozen=True)
class Expected:
    """The first place at which the first token of a right answer is expected."""

    step: int
    layer: int
    token: int


LOWEST = 0.25
"""Share of the depth below which layers echo what was read: what they expect is no answer."""


def find_first(expected: Sequence[Sequence[int]], openings: frozenset[int]) -> Expected | None:
    """The first step before which some layer expects one of the tokens, and the lowest such layer; of those from
    `LOWEST` of the depth on.

    Args:
        expected: (step) (layer) the likeliest token.
        openings: tokens with which a right answer may begin.
    """
    for step, layers in enumerate(expected):
        for layer, token in enumerate(layers):
            if token in openings and layer >= LOWEST * (len(layers) - 1):
                return Expected(step, layer, token)
    return None


def find_first_own(expected: Sequence[Sequence[int]], openings: frozenset[int]) -> Expected | None:
    """The first step before which the last layer expects one of the tokens, and the layer from which that leads to the
    end.
    """
    for step, layers in enumerate(expected):
        token = layers[-1]
        if token in openings:
            first = len(layers)
            while first and layers[first - 1] == token:
                first -= 1
            return Expected(step, first, token)
    return None


def answered_row(
    tokenizer: TextTokenizer, answers: Sequence[str], text: str, expected: Sequence[Sequence[int]]
) -> list[Cell]:
    """What the `answered` table holds of an attempt, from `right` on; `expected` as in `find_first`."""
    openings = frozenset[int]().union(*(opening_tokens(tokenizer, answer) for answer in answers))
    row: list[Any] = [find_answer(text, answers), len(openings)]
    for found in (find_first(expected, openings), find_first_own(expected, openings)):
        row += [None, None, ""] if found is None else [found.step, found.layer, tokenizer.show(found.token)]
    return row
