"""What is kept of attention patterns while a prompt passes: named by the plan, so torch is imported at its use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reportgen.model.needs import ByIndex
from reportgen.numerics.attention import (
    bin_patterns,
    row_entropy,
    share_of_pairs_below,
    sink_importance,
    word_attention,
)

if TYPE_CHECKING:
    from torch import Tensor

LONGEST_WHOLE = 256
"""Tokens up to which every weight is kept; longer prompts are kept in this many bins."""
_ROWS = 64


@dataclass(frozen=True)
class ReducedPattern:
    """What is kept of the patterns of one block, or of one of its heads."""

    weights: Tensor
    """(head x query x key), or bins of both; of one head without the first dim."""
    sink: Tensor
    """(head)"""
    entropy: Tensor
    """(head)"""


@dataclass(frozen=True)
class Bins:
    """A reducer that turns each block's patterns into what is kept, while the pass runs."""

    bins: int = LONGEST_WHOLE

    def init(self) -> dict[int, ReducedPattern]:
        """No block seen."""
        return {}

    def update(
        self, state: dict[int, ReducedPattern], value: Tensor, *, index: int, step: int
    ) -> dict[int, ReducedPattern]:
        """One block's (head x query x key) patterns, head by head: what is computed of them stays small."""
        import torch

        heads = [self._reduce_pattern(head.float()) for head in value]
        state[index] = ReducedPattern(
            torch.stack([head.weights for head in heads]),
            torch.stack([head.sink for head in heads]),
            torch.stack([head.entropy for head in heads]),
        )
        return state

    def _reduce_pattern(self, pattern: Tensor) -> ReducedPattern:
        """What is kept of one head's (query x key) pattern."""
        import torch

        if len(pattern) <= self.bins:
            return ReducedPattern(pattern, sink_importance(pattern), row_entropy(pattern))
        # Some rows at a time: pieces of a whole pattern's size leave holes that the next ones do not fit.
        entropies = [row_entropy(rows) * len(rows) for rows in torch.split(pattern, _ROWS)]
        entropy = torch.stack(entropies).sum() / len(pattern)
        return ReducedPattern(bin_patterns(pattern, self.bins), sink_importance(pattern), entropy)

    def merge(self, one: dict[int, ReducedPattern], other: dict[int, ReducedPattern]) -> dict[int, ReducedPattern]:
        """The blocks of both."""
        return {**one, **other}

    def finish(self, state: dict[int, ReducedPattern]) -> list[ReducedPattern]:
        """Block by block."""
        return [state[block] for block in sorted(state)]


@dataclass(frozen=True)
class LookWeight:
    """How the heads of one block look from one word at another."""

    weight: Tensor
    """(head) mean over the tokens of the one of the weight on all tokens of the other."""
    below: Tensor
    """(head) share of the pairs of tokens to which the head gives less."""


@dataclass(frozen=True)
class LookWeights(ByIndex):
    """A reducer that keeps of each block's patterns how its heads look from some positions at others."""

    queries: tuple[int, ...]
    keys: tuple[int, ...]

    def update(self, state: dict[int, LookWeight], value: Tensor, *, index: int, step: int) -> dict[int, LookWeight]:
        """One block's (head x query x key) patterns."""
        patterns = value.float()
        weight = word_attention(patterns, self.queries, self.keys)
        state[index] = LookWeight(weight, share_of_pairs_below(patterns, weight))
        return state
