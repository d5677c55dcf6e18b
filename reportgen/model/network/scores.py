"""What goes into the softmax of attention, seen while a pass runs.

The modern families of transformers call a function of their own file, `eager_attention_forward(module, query, key,
value, attention_mask, scaling=…, softcap=…)`, by its name: for the length of a pass another one stands there, which
looks at what it is given and calls the first. Older families (Falcon, BLOOM) have none: their scores are not seen.
"""

import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import nn

from reportgen.model.network.rotary import Content, Turn, find_content, watch_turns

FUNCTION = "eager_attention_forward"
_UNSEEN = 0.5
"""Share of the dtype's lowest number below which a mask says that nothing is seen."""


@dataclass(frozen=True)
class Seen:
    """What one call of an attention module was given, of the first row."""

    query: torch.Tensor
    """(head x query x head width)"""
    key: torch.Tensor
    """(head x key x head width) as each head reads it: what groups of heads share is repeated."""
    values: torch.Tensor
    """(head x key x head width)"""
    mask: torch.Tensor | None
    scaling: float
    softcap: float | None
    turn: Turn | None
    """How positions entered queries and keys; None where no rotary embedding was seen."""

    @cached_property
    def scores(self) -> torch.Tensor:
        """(head x query x key) in float32, -inf where the mask lets nothing through."""
        scores = scale_scores(self.query.float() @ self.key.float().transpose(1, 2), self.scaling, self.softcap)
        if self.mask is None:
            return scores
        seen = self.mask > torch.finfo(self.mask.dtype).min * _UNSEEN
        return torch.where(seen, scores + self.mask.float(), torch.tensor(float("-inf"), device=scores.device))

    @cached_property
    def content(self) -> Content | None:
        """Queries and keys before they were turned; None where that is not seen."""
        return None if self.turn is None else find_content(self.query, self.key, self.turn)


Take = Callable[[nn.Module, Seen], None]
"""Receives an attention module, and what it computes."""


def can_be_seen(attention: nn.Module) -> bool:
    """Whether the family of an attention module calls a function that can be looked at."""
    return hasattr(sys.modules[type(attention).__module__], FUNCTION)


def scale_scores(products: torch.Tensor, scaling: float, softcap: float | None) -> torch.Tensor:
    """Products q·k as they enter the softmax: scaled, and softcapped where the model does."""
    scores = products * scaling
    return scores if softcap is None else softcap * torch.tanh(scores / softcap)


@contextmanager
def watch_attention(attentions: Collection[nn.Module], take: Take) -> Iterator[None]:
    """Hands what these modules compute to `take`; everything is as before afterwards, also after an exception."""
    files = {sys.modules[type(attention).__module__] for attention in attentions if can_be_seen(attention)}
    with ExitStack() as restored:
        for file in files:
            last_turn = restored.enter_context(watch_turns(file))
            own = getattr(file, FUNCTION)
            restored.callback(setattr, file, FUNCTION, own)
            setattr(file, FUNCTION, _wrap_attention(own, attentions, take, last_turn))
        yield


def _wrap_attention(
    own: Callable[..., Any], attentions: Collection[nn.Module], take: Take, last_turn: Callable[[], Turn | None]
) -> Callable[..., Any]:
    def look(
        module: nn.Module,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor | None,
        *rest: Any,
        **named: Any,
    ) -> Any:
        turn = last_turn()
        if module in attentions:
            q = query[0]
            k, v = (_repeat_for_query_heads(shared[0], len(q)) for shared in (key, value))
            mask = None if attention_mask is None else attention_mask[0]
            take(module, Seen(q, k, v, mask, _scaling(q, named), named.get("softcap"), turn))
        return own(module, query, key, value, attention_mask, *rest, **named)

    return look


def _repeat_for_query_heads(shared: torch.Tensor, heads: int) -> torch.Tensor:
    """(head x position x head width) from what groups of heads share."""
    return shared if len(shared) == heads else shared.repeat_interleave(heads // len(shared), dim=0)


def _scaling(query: torch.Tensor, named: dict[str, Any]) -> float:
    scaling = named.get("scaling")
    return float(query.shape[-1] ** -0.5 if scaling is None else scaling)
