"""What a battery may ask: which pairs of prompts, what is patched, and in which direction."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from reportgen.probes.activation_patching.pairs import (
    CLEAN,
    CORRUPTED,
    SiteName,
    name_own_answers,
    pair_up,
    prompts_by_pair,
)
from reportgen.probing.options import Layers, ProbeOptions, Prompts

Answers = Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=2, max_length=2)]


class Options(ProbeOptions):
    """Which pairs of prompts, what is patched, and in which direction."""

    prompts: Prompts
    """Clean and corrupted prompts: `pair` names the two that belong together, `group` is `clean` or `corrupted`. Both
    must have the same number of tokens in the model."""
    answers: list[Answers] = Field(default=[])
    """[correct, incorrect] tokens, with their leading space: the answer of the clean prompt and the other one. One for
    all pairs, or one per pair, in the order of the pairs. By default what the clean prompt says itself: the first of
    its `answers` and the first of its `not`, or, where it has no `not`, the first of the corrupted prompt's `answers`;
    of several tokens the first."""
    direction: Literal["denoise", "noise"] = "denoise"
    """`denoise`: activations of the clean prompt are put into the corrupted run; `noise`: the other way round."""
    sites: list[SiteName] = Field(default=["residual", "attention", "mlp", "heads"], min_length=1)
    """What is patched: the residual stream, what attention or the MLP of a block writes to it, single heads."""
    layers: Layers = "all"
    """Layers of the residual stream, 0 = embedding; of attention, MLPs and heads, the blocks of these numbers."""
    positions: Literal["all"] | Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] = "all"
    """Positions that are patched one at a time, counted from 0; heads are always patched at all positions together."""

    @model_validator(mode="after")
    def _check_pairs(self) -> Self:
        for name, halves in prompts_by_pair(self.prompts).items():
            groups = [half.group for half in halves]
            if name is None or sorted(map(str, groups)) != [CLEAN, CORRUPTED]:
                told = "a prompt without `pair`" if name is None else f"pair {name!r}"
                raise ValueError(
                    f"prompts: {told} has the groups {groups}; each pair is one prompt of group {CLEAN} and one of "
                    f"group {CORRUPTED}"
                )
        pairs = len(self.prompts) // 2
        if len(self.answers) not in (0, 1, pairs):
            raise ValueError(
                f"answers: {len(self.answers)} for {pairs} pairs; give one [correct, incorrect], or one per pair"
            )
        for clean, corrupted in () if self.answers else pair_up(self.prompts):
            own = name_own_answers(clean, corrupted)
            if own is None:
                raise ValueError(
                    f"answers: none are given, and the prompts of pair {clean.pair!r} do not say what is right and "
                    "what is wrong: give [[correct, incorrect]], or write `answers` and `not` at the clean prompt"
                )
            if own[0] == own[1]:
                raise ValueError(f"pair {clean.pair!r}: the answer of both prompts is {own[0]!r}")
        return self
