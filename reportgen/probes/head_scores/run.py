"""How it is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reportgen.model.needs import Need, Pass, PassResult, Site
from reportgen.model.network.loaded import LoadedModel
from reportgen.numerics import head_patterns
from reportgen.probes.head_scores import HeadScores, Options, need_of
from reportgen.probes.head_scores.reducers import KINDS, pattern_of_kind
from reportgen.probing.case import Case
from reportgen.probing.probe import Later
from reportgen.results.quantities import Rows

DRAWN = 12
"""Tokens of a random sequence that are shown large, twice: more could not be read."""


@dataclass(frozen=True)
class OneHead:
    """A reducer that keeps the pattern of one head of a block."""

    head: int

    def init(self) -> Tensor | None:
        """Nothing seen."""
        return None

    def update(self, state: Tensor | None, value: Tensor, *, index: int, step: int) -> Tensor:
        """The head's (query x key) pattern; a copy, so that the pass may reuse its memory."""
        return value[self.head].float().clone()

    def merge(self, one: Tensor | None, other: Tensor | None) -> Tensor | None:
        """The later one."""
        return one if other is None else other

    def finish(self, state: Tensor | None) -> Tensor | None:
        """The pattern."""
        return state


@dataclass(frozen=True)
class _Head:
    """A head and what it scores as one of a kind."""

    block: int
    head: int
    score: float


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> Later[HeadScores]:
    """The scores; then one more pass shows the best heads on tokens that are few enough to be read."""
    stacked = [torch.stack(single.values[need_of(single.tokens)]) for single in captured]
    scores: NDArray[np.float32] = torch.stack(stacked).cpu().numpy()
    of_kind = {kind: scores[:, :, at] for at, kind in enumerate(KINDS)}
    ranked = {kind: _rank_heads(values, model.attention_blocks) for kind, values in of_kind.items()}
    best = {kind: (first.block, first.head) for kind, (first, *_) in ranked.items()}
    tokens = _choose_shown_tokens(case, captured[0].tokens)
    needs = [Need(Site.ATTENTION, "all", (block,), OneHead(head)) for block, head in best.values()]
    (shown,) = yield [Pass(tokens, tuple(dict.fromkeys(needs)))]
    most = {kind: _measure_most_possible(kind, captured) for kind in KINDS}
    return HeadScores(
        coordinates=model.attention_coordinates,
        best_previous_token=ranked["previous_token"][0].score,
        best_duplicate_token=ranked["duplicate_token"][0].score,
        best_induction=ranked["induction"][0].score,
        previous_token=of_kind["previous_token"],
        duplicate_token=of_kind["duplicate_token"],
        induction=of_kind["induction"],
        patterns=[shown.values[need].cpu().numpy() for need in needs],
        top=[
            [kind, rank, one.block, one.head, one.score, most[kind]]
            for kind, heads in ranked.items()
            for rank, one in enumerate(heads[: case.options.top], 1)
        ],
        shown=[[at, kind, *best[kind]] for at, kind in enumerate(KINDS)],
        tokens=[[position, token] for position, token in enumerate(case.tokenizer.show_sequence(tokens))],
        prompts=_prompt_rows(case, captured),
    )


def _choose_shown_tokens(case: Case[Options], tokens: tuple[int, ...]) -> tuple[int, ...]:
    """The tokens on which heads are shown large: the first few random ones twice, or the first text as it is."""
    if case.options.prompts is not None:
        return tokens
    front = len(tokens) - 2 * case.options.length
    few = tokens[front : front + min(DRAWN, case.options.length)]
    return (*tokens[:front], *few, *few)


def _rank_heads(scores: NDArray[np.float32], blocks: Sequence[int]) -> list[_Head]:
    """All heads of (prompt x block x head) scores of the blocks of these numbers, the highest mean first."""
    order = np.argsort(-scores.mean(0), axis=None, kind="stable").tolist()
    places = [divmod(at, scores.shape[2]) for at in order]
    return [_Head(blocks[row], head, float(scores[:, row, head].mean())) for row, head in places]


def _measure_most_possible(kind: str, captured: Sequence[PassResult]) -> float:
    """The mean over prompts of what the best of all heads could score."""
    wanted = [pattern_of_kind(kind, np.asarray(single.tokens)) for single in captured]
    return sum(head_patterns.most_possible(where) for where in wanted) / len(wanted)


def _prompt_rows(case: Case[Options], captured: Sequence[PassResult]) -> Rows:
    if case.options.prompts is not None:
        return case.prompt_rows(case.options.prompts)
    show = case.tokenizer
    return [
        [prompt, show.decode(single.tokens), show.show_joined(single.tokens), len(single.tokens)]
        for prompt, single in enumerate(captured)
    ]
