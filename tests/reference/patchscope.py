"""Patchscopes one at a time, by two hooks of their own on a plain model; no cache, a whole pass a token.

`network.lm_head` need not be known: logits are the model's own. The keyword arguments make known wrong ways.
"""

import torch

from tests.reference.plain import PARTS, residuals


def _hook(network, family, layer, change):
    """Calls `change` on the (batch x position x width) stream after block `layer`; layer 0 enters block 0."""
    blocks = network.get_submodule(PARTS[family].blocks)
    if layer == 0:

        def entering(_module, args, kwargs):
            if args:
                return (change(args[0]), *args[1:]), kwargs
            return args, {**kwargs, "hidden_states": change(kwargs["hidden_states"])}

        return blocks[0].register_forward_pre_hook(entering, with_kwargs=True)

    def leaving(_module, _args, output):
        return (change(output[0]), *output[1:]) if isinstance(output, tuple) else change(output)

    return blocks[layer - 1].register_forward_hook(leaving)


@torch.no_grad()
def source(network, family, ids, position, layer, *, normed_last=False):
    """(width) the representation; `normed_last` takes the last layer from behind the final norm, as Hugging Face's
    hidden states have it.
    """
    rows = residuals(network, family, ids)
    row = rows[layer][position]
    if normed_last and layer == len(rows) - 1:
        row = network.get_submodule(PARTS[family].norm)(row)
    return row


@torch.no_grad()
def patched_logits(network, family, ids, position, layer, row, *, also_from=None):
    """(position x vocabulary) with `row` at one position; `also_from`: and at every position from there on."""

    def change(stream):
        stream = stream.clone()
        stream[:, position] = row
        if also_from is not None:
            stream[:, also_from:] = row
        return stream

    handle = _hook(network, family, layer, change)
    try:
        return network(torch.tensor([list(ids)]), use_cache=False).logits[0].float()
    finally:
        handle.remove()


def answer(network, family, ids, position, layer, row, count, *, end=1, while_writing=False):
    """The likeliest tokens after the patched prompt, before the end token; `while_writing` patches those too."""
    read = list(ids)
    for _ in range(count):
        also_from = len(ids) if while_writing and len(read) > len(ids) else None
        token = int(patched_logits(network, family, read, position, layer, row, also_from=also_from)[-1].argmax())
        if token == end:
            break
        read.append(token)
    return read[len(ids) :]
