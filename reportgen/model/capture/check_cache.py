"""Whether a step that reads the cache gives what the whole text gives: tried once, when a model is proven.

Some families take every step for the first (they count positions from what passes alone): they continue as if nothing
stood before, and nothing tells. The rows are compared, not the tokens that follow, which may be right by chance. Cost:
a beginning and one step.
"""

from dataclasses import dataclass
from typing import Any

import torch

from reportgen.model.network.loaded import LoadedModel

APART = {torch.float32: 1e-3, torch.float64: 1e-3, torch.bfloat16: 0.04, torch.float16: 0.01}
"""Largest length of the difference of a step that reads the cache from the whole text, as a share of its length:
rounding of the dtype over all blocks (bfloat16: 0.014 in 18 to 30 blocks)."""
_APART_IN_INT8 = 0.04


@dataclass(frozen=True)
class Beginning:
    """What a model made of the beginning of a text."""

    logits: torch.Tensor
    """(position x vocabulary) in float32."""
    cache: Any
    """What the next step reads; None where there is nothing that could be handed on."""
    use_cache: bool
    """How it was run."""


def begin(model: LoadedModel, tokens: tuple[int, ...]) -> Beginning:
    """Runs the beginning of a text through the whole network, and keeps what the cache remembers of it."""
    ids = torch.tensor([tokens], device=model.device)
    use_cache = True
    try:
        output = model.network(ids, use_cache=True)
    except Exception:  # a family whose code fails on its own cache may raise anything; without, it is proven still
        use_cache, output = False, model.network(ids, use_cache=False)
    cache = getattr(output, "past_key_values", None)
    model.keeps_cache = cache is not None
    return Beginning(output.logits[0].float().to(model.device), cache, use_cache)


def try_cache(model: LoadedModel, begun: Beginning, token: int, whole: torch.Tensor) -> None:
    """Says of a model whether it can be continued by its cache: a token after a beginning is to end at the (width) row
    at which the whole text ends.
    """
    if not model.keeps_cache:
        return
    ids = torch.tensor([[token]], device=model.device)
    try:
        step = model.anatomy.decoder(input_ids=ids, past_key_values=begun.cache, use_cache=True).last_hidden_state
    except Exception:  # as above
        model.keeps_cache = False
        return
    row = step.flatten(0, -2)[-1].float().to(whole.device)
    apart = float((row - whole.float()).norm() / whole.float().norm().clamp_min(1e-6))
    model.keeps_cache = apart <= (_APART_IN_INT8 if model.rounds else APART[model.dtype])
    model.cache_apart = None if model.keeps_cache else apart
