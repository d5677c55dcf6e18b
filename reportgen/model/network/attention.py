"""Which module of each block computes attention weights: found by what it returns, whatever it is called.

Hybrid models have blocks without any; some call attention and what stands in its place alike, some keep it deep inside
a block, some run one module at several depths.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from typing import Any

import torch
from torch import nn

from reportgen.model.network.held import device_of_ids

TRIED = 7
"""Tokens, after BOS, with which a model is tried."""

Modules = Sequence[nn.Module | None]
"""(block) the module whose second output is the attention pattern; None for a block without one."""


def few_tokens(config: Any, vocabulary: int) -> tuple[int, ...]:
    """A few tokens from all over the vocabulary, after BOS: the token whose stream overflows first."""
    bos = getattr(config, "bos_token_id", None)
    beginning = (bos,) if isinstance(bos, int) and 0 <= bos < vocabulary else ()
    last = vocabulary - vocabulary // 5
    return (*beginning, *(int(token) for token in torch.linspace(vocabulary // 7, min(last, vocabulary - 1), TRIED)))


@torch.inference_mode()
def attentions_of(decoder: nn.Module, blocks: Sequence[nn.Module], tokens: Sequence[int]) -> Modules:
    """(block) the innermost module that returns a number a head, query and key in addition to what it writes.

    Runs the tokens through the decoder; None for every block of a network without weights.
    """
    device = device_of_ids(decoder)
    if device.type == "meta":
        return (None,) * len(blocks)
    found: dict[int, nn.Module] = {}
    handles = [
        module.register_forward_hook(_note_attention(found, index, len(tokens)))
        for index, block in enumerate(blocks)
        for module in block.modules()
        if module is not block
    ]
    try:
        decoder(input_ids=torch.tensor([tokens], device=device), use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    return tuple(found.get(index) for index in range(len(blocks)))


def _note_attention(found: dict[int, nn.Module], index: int, length: int) -> Callable[..., None]:
    def note(module: nn.Module, _args: Any, output: Any) -> None:
        # What is inside is done before what is around it: the first of a block is the innermost.
        if index not in found and _holds_weights(output, length):
            found[index] = module

    return note


def _holds_weights(output: Any, length: int) -> bool:
    """Whether an output is (what is written, (row x head x query x key) weights, …)."""
    if not isinstance(output, tuple) or len(output) < 2:
        return False
    written, weights = output[:2]
    if not isinstance(written, torch.Tensor) or not isinstance(weights, torch.Tensor):
        return False
    return written.ndim < 4 and weights.ndim == 4 and weights.shape[-2:] == (length, length)


def blocks_in_turn(attentions: Modules) -> dict[nn.Module, Iterator[int]]:
    """Module -> the blocks that it is of, over and over: one that serves several is run for each in their order."""
    depths: dict[nn.Module, list[int]] = {}
    for index, attention in enumerate(attentions):
        if attention is not None:
            depths.setdefault(attention, []).append(index)
    return {attention: cycle(blocks) for attention, blocks in depths.items()}
