"""Steering one prompt at a time on plain transformers: module names by hand, loops, nothing shared.

Keyword arguments make known wrong formulas.
"""

import math

import torch

from tests.reference.edits import logits_after
from tests.reference.plain import PARTS, residuals

WRITES = {
    "llama": ("self_attn", "mlp"),
    "gemma3": ("post_attention_layernorm", "post_feedforward_layernorm"),
    "gpt2": ("attn", "mlp"),
}
"""What in a block gives what is added to the stream."""


def direction(network, family, towards, away, layer, *, position=-1, everywhere=False):
    """(width) mean of one set less mean of the other, in Python floats."""
    means = []
    for prompts in (towards, away):
        rows = []
        for ids in prompts:
            stream = residuals(network, family, ids)[layer].double()
            rows.append((stream.mean(0) if everywhere else stream[position]).tolist())
        means.append([sum(column) / len(rows) for column in zip(*rows, strict=True)])
    return torch.tensor([a - b for a, b in zip(*means, strict=True)], dtype=torch.float64)


def leading_direction(towards, away, rounds=2000):
    """(width) what paired rows differ by most, found by multiplying again and again; as long as the mean along it."""
    differences = [[a - b for a, b in zip(x, y, strict=True)] for x, y in zip(towards, away, strict=True)]
    mean = [sum(column) / len(differences) for column in zip(*differences, strict=True)]
    vector = list(mean)
    for _ in range(rounds):
        shares = [sum(d * v for d, v in zip(row, vector, strict=True)) for row in differences]
        vector = [sum(s * row[at] for s, row in zip(shares, differences, strict=True)) for at in range(len(vector))]
        length = math.sqrt(sum(v * v for v in vector))
        vector = [v / length for v in vector]
    along = sum(m * v for m, v in zip(mean, vector, strict=True))
    return [along * v for v in vector]


def added(network, family, ids, layer, vector):
    """(vocabulary) probabilities after the prompt with a vector added to what enters a block."""
    block = network.get_submodule(PARTS[family].blocks)[layer]
    logits = logits_after(network, ids, block, lambda stream: stream + vector.to(stream), before=True)
    return torch.softmax(logits[-1].double(), -1)


@torch.no_grad()
def ablated(network, family, ids, vector, *, inputs_only=False):
    """(vocabulary) probabilities with a direction taken out of what enters every block and of what its parts write."""
    unit = vector / vector.norm()

    def without(stream):
        wide = stream.double()
        return (wide - (wide @ unit)[..., None] * unit).to(stream.dtype)

    def entering(_module, args, kwargs):
        if args:
            return (without(args[0]), *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": without(kwargs["hidden_states"])}

    def leaving(_module, _args, output):
        return (without(output[0]), *output[1:]) if isinstance(output, tuple) else without(output)

    handles = []
    for block in network.get_submodule(PARTS[family].blocks):
        handles.append(block.register_forward_pre_hook(entering, with_kwargs=True))
        if not inputs_only:
            handles += [block.get_submodule(name).register_forward_hook(leaving) for name in WRITES[family]]
    logits = network(torch.tensor([ids]), use_cache=False).logits[0, -1].double()
    for handle in handles:
        handle.remove()
    return torch.softmax(logits, -1)


@torch.no_grad()
def own(network, ids):
    """(vocabulary) probabilities after the prompt in the model as it is."""
    return torch.softmax(network(torch.tensor([ids])).logits[0, -1].double(), -1)


def odds(p, ids):
    """ln p − ln(1 − p) of some tokens together, by a loop."""
    inside = sum(p[i].item() for i in ids)
    return math.log(inside) - math.log(1 - inside)


def answer(network, ids, count, following):
    """The likeliest token after the other, by `following`, which gives the probabilities after tokens."""
    tokens = list(ids)
    for _ in range(count):
        tokens.append(int(following(network, tokens).argmax()))
    return tokens[len(ids) :]
