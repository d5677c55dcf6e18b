"""One edited pass at a time, by hooks of its own on the whole model: slow, and nothing shared."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

Change = Callable[[torch.Tensor], torch.Tensor]


def logits_after(
    network: Any, tokens: Sequence[int], block: torch.nn.Module, change: Change, *, before: bool
) -> torch.Tensor:
    """(position x vocabulary) logits where the stream before or behind a block is changed."""

    def on_input(_module: Any, args: Any, kwargs: Any) -> Any:
        if args:
            return (change(args[0]), *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": change(kwargs["hidden_states"])}

    def on_output(_module: Any, _args: Any, output: Any) -> Any:
        return (change(output[0]), *output[1:]) if isinstance(output, tuple) else change(output)

    if before:
        handle = block.register_forward_pre_hook(on_input, with_kwargs=True)
    else:
        handle = block.register_forward_hook(on_output)
    try:
        with torch.no_grad():
            return network(torch.tensor([list(tokens)]), use_cache=False).logits[0].float()
    finally:
        handle.remove()


def greedy_text(
    network: Any, tokens: Sequence[int], block: torch.nn.Module, change: Callable[[torch.Tensor, int], torch.Tensor],
    steps: int,
) -> list[int]:  # fmt: skip
    """The likeliest tokens after a prompt, each found by a whole pass; `change` is given the stream that enters a
    block and the length of the prompt.
    """
    read = list(tokens)
    for _ in range(steps):
        logits = logits_after(network, read, block, lambda stream: change(stream, len(tokens)), before=True)
        read.append(int(logits[-1].argmax()))
    return read[len(tokens) :]
