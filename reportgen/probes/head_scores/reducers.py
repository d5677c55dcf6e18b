"""What is kept of attention patterns while a prompt passes: named by the plan, so torch is imported at its use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reportgen.model.needs import ByIndex
from reportgen.numerics import head_patterns

if TYPE_CHECKING:
    from torch import Tensor

KINDS = ("previous_token", "duplicate_token", "induction")


@dataclass(frozen=True)
class Scores(ByIndex):
    """A reducer that keeps of each block's patterns what each head scores as a head of each kind."""

    tokens: tuple[int, ...]
    """What the pass reads: the kinds are told by which tokens are the same."""

    def update(self, state: dict[int, Tensor], value: Tensor, *, index: int, step: int) -> dict[int, Tensor]:
        """One block's (head x query x key) patterns, head by head: what is computed of them stays small."""
        import torch

        tokens = torch.tensor(self.tokens, device=value.device)
        wanted = [pattern_of_kind(kind, tokens) for kind in KINDS]
        scores = [[head_patterns.head_score(head.float(), where) for head in value] for where in wanted]
        state[index] = torch.stack([torch.stack(of_kind) for of_kind in scores])
        return state


def pattern_of_kind(kind: str, tokens: Any) -> Any:
    """(query x key) true where a head of this kind looks, for (position) token ids."""
    pattern = {
        "previous_token": head_patterns.previous_token,
        "duplicate_token": head_patterns.duplicate_token,
        "induction": head_patterns.induction,
    }[kind]
    return pattern(tokens)
