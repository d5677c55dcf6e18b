"""Slow second implementations on plain transformers: part names written by hand, loops, one row at a time."""

import math
from dataclasses import dataclass

import torch


@dataclass
class Parts:
    """Where a family keeps its parts."""

    blocks: str
    norm: str
    head: str = "lm_head"


_MODERN = Parts("model.layers", "model.norm")
PARTS = {
    "llama": _MODERN,
    "gemma": _MODERN,
    "gemma2": _MODERN,
    "gemma3": _MODERN,
    "gemma3_vision": Parts("model.language_model.layers", "model.language_model.norm"),
    "gpt2": Parts("transformer.h", "transformer.ln_f"),
    "gpt_neox": Parts("gpt_neox.layers", "gpt_neox.final_layer_norm"),
    "qwen2": _MODERN,
    "qwen3": _MODERN,
    "qwen3_moe": _MODERN,
    "mistral": _MODERN,
    "mixtral": _MODERN,
    "phi3": _MODERN,
    "olmo2": _MODERN,
    "falcon": Parts("transformer.h", "transformer.ln_f"),
    "opt": Parts("model.decoder.layers", "model.decoder.final_layer_norm"),
    "bloom": Parts("transformer.h", "transformer.ln_f"),
    "stablelm": _MODERN,
    "granite": _MODERN,
    "cohere": _MODERN,
    "gpt_oss": _MODERN,
    "mamba": Parts("backbone.layers", "backbone.norm_f"),
}
SOFTCAP = {"gemma2": 3.0}
SCALE = {"cohere": 0.25, "granite": 1 / 3}


@torch.no_grad()
def residuals(network, family, ids):
    """(layer x position x width): what enters block 0, then what leaves each block, before the final norm."""
    rows = []
    blocks = network.get_submodule(PARTS[family].blocks)

    def entering(module, args, kwargs):
        rows.append((args[0] if args else kwargs["hidden_states"])[0].clone())

    def leaving(module, args, output):
        rows.append((output[0] if isinstance(output, tuple) else output)[0].clone())

    handles = [blocks[0].register_forward_pre_hook(entering, with_kwargs=True)]
    handles += [block.register_forward_hook(leaving) for block in blocks]
    network(torch.tensor([ids]), use_cache=False)
    for handle in handles:
        handle.remove()
    return torch.stack(rows)


def lens_logits(network, family, row, *, norm_times=1, cap=True):
    """Logits of one residual row; the keyword arguments make known wrong formulas."""
    for _ in range(norm_times):
        row = network.get_submodule(PARTS[family].norm)(row)
    logits = network.get_submodule(PARTS[family].head)(row)
    if cap and family in SOFTCAP:
        c = SOFTCAP[family]
        logits = c * torch.tanh(logits / c)
    return logits * SCALE.get(family, 1.0)


@torch.no_grad()
def lens(network, family, ids, *, norm_times=1, cap=True, shift=0):
    """(layer) list of probability lists at the last position."""
    rows = residuals(network, family, ids)
    found = []
    for layer in range(len(rows)):
        row = rows[max(layer - shift, 0), -1]
        found.append(torch.softmax(lens_logits(network, family, row, norm_times=norm_times, cap=cap).double(), -1))
    return found


def entropy(p):
    """In nats, by a loop."""
    return -sum(q * math.log(q) for q in p.tolist() if q > 0)


def kl(p, q):
    """KL(p || q) in nats, by a loop."""
    return sum(a * (math.log(a) - math.log(b)) for a, b in zip(p.tolist(), q.tolist(), strict=True) if a > 0)


def cosine(a, b):
    """Of two vectors, by loops."""
    dot = sum(x * y for x, y in zip(a.tolist(), b.tolist(), strict=True))
    return dot / math.sqrt(sum(x * x for x in a.tolist())) / math.sqrt(sum(y * y for y in b.tolist()))


def mean_pair_cosine(a, b, first=0):
    """Mean over all i, j >= first of the cosine of row i of a and row j of b."""
    pairs = [cosine(x, y) for x in a[first:] for y in b[first:]]
    return sum(pairs) / len(pairs)
