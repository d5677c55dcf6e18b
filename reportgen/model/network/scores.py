"""What goes into the softmax of attention, seen while a pass runs.

The modern families of transformers call a function of their own file, `eager_attention_forward(module, query, key,
value, attention_mask, scaling=…, softcap=…)`, by its name: for the length of a pass another one stands there, which
looks at what it is given and calls the first. Older families (Falcon, BLOOM) have none: their scores are not seen.
"""

import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

FUNCTION = "eager_attention_forward"
_UNSEEN = 0.5
"""Share of the dtype's lowest number below which a mask says that nothing is seen."""

Take = Callable[[nn.Module, Callable[[], torch.Tensor], torch.Tensor], None]
"""Receives an attention module, its (head x query x key) scores when asked for, and its (head x key x head width)
values."""


def can_be_seen(attention: nn.Module) -> bool:
    """Whether the family of an attention module calls a function that can be looked at."""
    return hasattr(sys.modules[type(attention).__module__], FUNCTION)


@contextmanager
def watch_attention(attentions: Collection[nn.Module], take: Take) -> Iterator[None]:
    """Hands what these modules compute to `take`; everything is as before afterwards, also after an exception."""
    files = {sys.modules[type(attention).__module__] for attention in attentions if can_be_seen(attention)}
    with ExitStack() as restored:
        for file in files:
            own = getattr(file, FUNCTION)
            restored.callback(setattr, file, FUNCTION, own)
            setattr(file, FUNCTION, _wrap_attention(own, attentions, take))
        yield


def _wrap_attention(own: Callable[..., Any], attentions: Collection[nn.Module], take: Take) -> Callable[..., Any]:
    def look(
        module: nn.Module,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor | None,
        *rest: Any,
        **named: Any,
    ) -> Any:
        if module in attentions:
            q, k, v = (
                query[0],
                _repeat_for_query_heads(key[0], len(query[0])),
                _repeat_for_query_heads(value[0], len(query[0])),
            )
            mask = None if attention_mask is None else attention_mask[0]
            take(module, lambda: _scores(q, k, mask, _scaling(q, named), named.get("softcap")), v)
        return own(module, query, key, value, attention_mask, *rest, **named)

    return look


def _repeat_for_query_heads(shared: torch.Tensor, heads: int) -> torch.Tensor:
    """(head x position x head width) from what groups of heads share."""
    return shared if len(shared) == heads else shared.repeat_interleave(heads // len(shared), dim=0)


def _scaling(query: torch.Tensor, named: dict[str, Any]) -> float:
    scaling = named.get("scaling")
    return float(query.shape[-1] ** -0.5 if scaling is None else scaling)


def _scores(
    query: torch.Tensor, key: torch.Tensor, mask: torch.Tensor | None, scaling: float, softcap: float | None
) -> torch.Tensor:
    """(head x query x key) in float32, -inf where the mask lets nothing through."""
    scores = query.float() @ key.float().transpose(1, 2) * scaling
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)
    if mask is None:
        return scores
    seen = mask > torch.finfo(mask.dtype).min * _UNSEEN
    return torch.where(seen, scores + mask.float(), torch.tensor(float("-inf"), device=scores.device))
