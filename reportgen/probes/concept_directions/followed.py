"""Texts along a direction: the value of each token, and what random directions give in its place."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.model.needs import Need, Pass, PassResult, Site, TwinPasses, pack_by_length
from reportgen.numerics.projection import Scale
from reportgen.probes.concept_directions import counted_positions, read_texts
from reportgen.probes.concept_directions.options import Options
from reportgen.probing.case import Case
from reportgen.results.quantities import Rows
from reportgen.training.representations import TOGETHER

NO_SPREAD = "the sets have no spread along the direction"
NO_TOKEN = "no token counts"
WITHIN = 95
"""Per cent of random directions that stay within what a value is held against."""


@dataclass(frozen=True)
class ReadText:
    """One text in the model."""

    ids: tuple[int, ...]
    """The tokens that passed."""
    prompt_length: int
    counted: list[int]
    """Positions that count."""
    rows: NDArray[np.float32]
    """(position x width) the residual stream at the layer at which the texts are followed."""

    @property
    def given(self) -> NDArray[np.float32]:
        """(token x width) rows of those that count and that the model did not write."""
        found: NDArray[np.float32] = self.rows[[at for at in self.counted if at < self.prompt_length]]
        return found


@dataclass(frozen=True)
class Followed:
    """One text along the direction."""

    text: ReadText
    values: NDArray[np.float64]
    """(position)"""
    random: NDArray[np.float64]
    """(draw x position)"""


def read_along(
    case: Case[Options], layer: int
) -> Generator[Sequence[Pass] | TwinPasses, Sequence[PassResult], list[ReadText]]:
    """Every text, with what the model writes after it, at a layer."""
    need = Need(Site.RESIDUAL, "all", (layer,))
    passes = [Pass(tokens, (need,), case.options.continue_ + 1) for tokens in read_texts(case)]
    read = yield pack_by_length(passes, TOGETHER)
    return [_read_text(case, single, need) for single in read]


def _read_text(case: Case[Options], single: PassResult, need: Need) -> ReadText:
    rows = np.concatenate([single.tensors_of(need, step)[0].float().cpu().numpy() for step in range(single.steps)])
    counted = list(counted_positions(case, single.tokens))
    return ReadText(tuple(single.tokens), single.prompt_length, counted, rows)


def follow_text(text: ReadText, scales: Sequence[Scale]) -> Followed:
    """Where its tokens are along the direction, whose scale comes first, and along random ones."""
    found = np.full((len(scales), len(text.rows)), np.nan)
    if text.counted:
        found[:, text.counted] = [scale.place(text.rows[text.counted]) for scale in scales]
    return Followed(text, found[0], found[1:])


def bound_random(drawn: NDArray[np.float64]) -> NDArray[np.float64]:
    """(…) what 95 % of the draws, the first axis, stay within."""
    bound: NDArray[np.float64] = np.percentile(np.abs(drawn), WITHIN, axis=0)
    return bound


def average(followed: Sequence[Followed]) -> tuple[float, float]:
    """The mean over all tokens that count, and what 95 % of random directions stay within; NaN where none counts."""
    values = np.concatenate([one.values[one.text.counted] for one in followed])
    drawn = np.concatenate([one.random[:, one.text.counted] for one in followed], axis=1)
    if not len(values):
        return float("nan"), float("nan")
    return float(values.mean()), float(bound_random(drawn.mean(axis=1)))


def summarise(followed: Sequence[Followed]) -> dict[str, Any]:
    """Where all tokens are on average, and what random directions give in its place; else why that is not known."""
    counts = any(one.text.counted for one in followed)
    value, drawn = average(followed)
    reason = NO_SPREAD if counts else NO_TOKEN
    return {"projection": value_or_reason(value, reason), "random_projection": value_or_reason(drawn, reason)}


def value_or_reason(value: float, reason: str) -> float | str:
    """A number, or why there is none."""
    return value if np.isfinite(value) else reason


def value_or_none(value: float) -> float | None:
    """A number for a cell, which is empty where there is none."""
    return float(value) if np.isfinite(value) else None


def list_followed(case: Case[Options], followed: Sequence[Followed]) -> dict[str, Any]:
    """The fields of the findings that hold the texts, token by token."""
    return {
        "values": [one.values for one in followed],
        "random_values": [bound_random(one.random) for one in followed],
        "texts": _list_texts(case, followed),
        "tokens": [row for at, one in enumerate(followed) for row in _list_tokens(case, at, one)],
        "prompts": case.prompt_rows(case.options.prompts),
    }


def _list_texts(case: Case[Options], followed: Sequence[Followed]) -> Rows:
    rows: Rows = []
    for at, (prompt, one) in enumerate(zip(case.options.prompts, followed, strict=True)):
        written = sum(position >= one.text.prompt_length for position in one.text.counted)
        rows.append([at, prompt.called, len(one.text.counted), written, *map(value_or_none, average([one]))])
    return rows


def _list_tokens(case: Case[Options], prompt: int, one: Followed) -> Rows:
    shown, bounds = case.tokenizer.show_sequence(one.text.ids), bound_random(one.random)
    values: list[Any] = [[value_or_none(a), value_or_none(b)] for a, b in zip(one.values, bounds, strict=True)]
    return [
        [prompt, at, token, *values[at], at >= one.text.prompt_length]
        for at, token in enumerate(shown[: len(one.values)])
    ]  # fmt: skip
