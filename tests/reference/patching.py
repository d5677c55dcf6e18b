"""Patches and ablations one at a time, by hooks on the parts that a family of transformers has, named by hand."""

import math
from contextlib import ExitStack, contextmanager

import torch

from tests.reference.plain import PARTS

ATTENTION = {"llama": "self_attn.o_proj", "gemma3": "post_attention_layernorm", "gpt2": "attn.c_proj"}
"""What gives, in each family, exactly what attention adds to the stream."""
MLP = {"llama": "mlp", "gemma3": "post_feedforward_layernorm", "gpt2": "mlp"}
MIXER = {"llama": "self_attn.o_proj", "gemma3": "self_attn.o_proj", "gpt2": "attn.c_proj"}
"""What reads the heads side by side."""


def part(network, family, site, block):
    """The module of a block at whose end (of heads: at whose beginning) a site lies."""
    names = {"attention": ATTENTION, "mlp": MLP, "heads": MIXER}[site]
    return network.get_submodule(PARTS[family].blocks)[block].get_submodule(names[family])


@contextmanager
def changing(network, family, site, index, change):
    """`change` is given (position x width) rows and changes them in place, while this is entered."""

    def behind(_module, _args, output):
        rows = (output[0] if isinstance(output, tuple) else output).clone()
        change(rows[0])
        return (rows, *output[1:]) if isinstance(output, tuple) else rows

    def before(_module, args, kwargs):
        rows = (args[0] if args else kwargs["hidden_states"]).clone()
        change(rows[0])
        return ((rows, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": rows})

    if site == "residual":
        blocks = network.get_submodule(PARTS[family].blocks)
        if index < len(blocks):
            handle = blocks[index].register_forward_pre_hook(before, with_kwargs=True)
        else:
            handle = network.get_submodule(PARTS[family].norm).register_forward_pre_hook(before, with_kwargs=True)
    elif site == "heads":
        handle = part(network, family, site, index).register_forward_pre_hook(before, with_kwargs=True)
    else:
        handle = part(network, family, site, index).register_forward_hook(behind)
    try:
        yield
    finally:
        handle.remove()


@torch.no_grad()
def logits(network, ids):
    """(position x vocabulary) of one prompt."""
    return network(torch.tensor([list(ids)]), use_cache=False).logits[0].double()


def seen(network, family, site, index, ids):
    """(position x width) rows of a site."""
    kept = []
    with changing(network, family, site, index, lambda rows: kept.append(rows.clone())):
        logits(network, ids)
    return kept[0]


def recovered(network, family, site, index, position, clean, corrupted, answers, *, heads=4, wrong=""):
    """(LD_patched − LD_corrupted) / (LD_clean − LD_corrupted) of one patch of the corrupted run; `wrong` names known
    mistakes. At "heads", `position` is the head.
    """

    def difference(ids):
        last = logits(network, ids)[-1]
        return float(last[answers[0]] - last[answers[1]])

    rows = seen(network, family, site, index + (wrong == "layer above"), clean)

    def change(own):
        if site == "heads":
            size = own.shape[-1] // heads
            columns = slice(position * size, (position + 1) * size)
            if wrong == "heads interleaved":
                columns = slice(position, None, heads)
            own[:, columns] = rows[:, columns]
        else:
            own[position] = rows[position]

    with changing(network, family, site, index, change):
        patched = difference(corrupted)
    one, other = difference(clean), difference(corrupted)
    return (patched - other) / (one if wrong == "over clean" else one - other)


def loss(network, ids, *, skipped=(), shift=1):
    """Sum of −ln p of the tokens of a text, and how many; tokens of `skipped` are not counted. `shift` is 1."""
    total, count = 0.0, 0
    read = logits(network, ids)
    for at in range(1, len(ids)):
        if ids[at] in skipped:
            continue
        row = read[min(at - shift, len(ids) - 1)]
        total += math.log(sum(math.exp(float(z)) for z in row)) - float(row[ids[at]])
        count += 1
    return total, count


def ablated_loss(network, family, components, texts, *, skipped=(), means=None, heads=4, shift=1):
    """Mean loss over texts where (site, block, head) components are replaced by rows of `means`, or by 0; positions of
    `skipped` tokens keep what they have.
    """
    total, count = 0.0, 0
    for ids in texts:
        with ExitStack() as stack:
            for site, block, head in components:

                def change(own, site=site, block=block, head=head, ids=ids):
                    size = own.shape[-1] // heads
                    columns = slice(None) if head is None else slice(head * size, (head + 1) * size)
                    for at, token in enumerate(ids):
                        if token not in skipped:
                            own[at, columns] = 0.0 if means is None else means[site, block][columns]

                stack.enter_context(changing(network, family, site, block, change))
            summed, tokens = loss(network, ids, skipped=skipped, shift=shift)
        total, count = total + summed, count + tokens
    return total / count


def mean_row(network, family, site, block, texts, *, skipped=()):
    """(width) mean of what stands at a site over all positions of texts whose token is not skipped."""
    rows = [row for ids in texts for row, token in zip(seen(network, family, site, block, ids), ids, strict=True)
            if token not in skipped]  # fmt: skip
    return sum(row.double() for row in rows).float() / len(rows)
