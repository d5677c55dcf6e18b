"""Direct logit attribution by hand: part names written out, one head at a time, each norm by its own formula."""

from dataclasses import dataclass

import torch


@dataclass
class Family:
    """Where a family keeps what writes to the stream, and how its norms are made."""

    blocks: str
    norm: str
    out: str
    down: str
    rule: str
    """rms, gemma (rms times 1 + w), or layer."""
    after_attention: str = ""
    after_mlp: str = ""
    scale: float = 1.0


FAMILIES = {
    "llama": Family("model.layers", "model.norm", "self_attn.o_proj", "mlp.down_proj", "rms"),
    "gemma3": Family("model.layers", "model.norm", "self_attn.o_proj", "mlp.down_proj", "gemma",
                     "post_attention_layernorm", "post_feedforward_layernorm"),
    "gpt2": Family("transformer.h", "transformer.ln_f", "attn.c_proj", "mlp.c_proj", "layer"),
    "falcon": Family("transformer.h", "transformer.ln_f", "self_attention.dense", "mlp.dense_4h_to_h", "layer"),
    "granite": Family("model.layers", "model.norm", "self_attn.o_proj", "mlp.down_proj", "rms", scale=0.7),
}  # fmt: skip


def through(norm, rule, whole, part, *, own_scale=False, gain="full", centred=True):
    """What becomes of a part of `whole` in a norm whose scale is that of the whole; the rest makes wrong formulas."""
    eps = getattr(norm, "variance_epsilon", getattr(norm, "eps", None))
    measured = part if own_scale else whole
    if rule == "layer":
        if centred:
            part = part - part.mean()
        return part / (measured.var(unbiased=False) + eps).sqrt() * norm.weight
    weight = 1 + norm.weight if rule == "gemma" and gain == "full" else norm.weight
    return part / (measured.square().mean() + eps).sqrt() * weight


@torch.no_grad()
def parts(network, family, ids, token, heads, **wrong):
    """(embedding, [block][head], [block] of MLPs) parts of a token's logit after the last position."""
    place = FAMILIES[family]
    norm_wrong = {key: value for key, value in wrong.items() if key in ("own_scale", "gain", "centred")}
    blocks = network.get_submodule(place.blocks)
    final_norm = network.get_submodule(place.norm)
    kept = {}

    def keep(name):
        def hook(module, args, output):
            kept[name] = (args[0][0, -1].clone(), output[0, -1].clone())

        return hook

    def entering(module, args, kwargs):
        kept["embedding"] = (args[0] if args else kwargs["hidden_states"])[0, -1].clone()

    handles = [blocks[0].register_forward_pre_hook(entering, with_kwargs=True)]
    handles.append(final_norm.register_forward_hook(keep("norm")))
    for b, block in enumerate(blocks):
        handles.append(block.get_submodule(place.out).register_forward_hook(keep(("out", b))))
        handles.append(block.get_submodule(place.down).register_forward_hook(keep(("down", b))))
    network(torch.tensor([ids]), use_cache=False)
    for handle in handles:
        handle.remove()

    whole, _ = kept["norm"]
    row = network.get_output_embeddings().weight[token]

    def says(write):
        return float(through(final_norm, place.rule, whole, write, **norm_wrong) @ row)

    def behind(block, norm, written, part):
        if norm and not wrong.get("no_norm_after"):
            part = through(block.get_submodule(norm), place.rule, written, part, **norm_wrong)
        return part * place.scale

    by_head, by_mlp = [], []
    for b, block in enumerate(blocks):
        found, written = kept["out", b]
        out = block.get_submodule(place.out)
        width = len(found) // heads
        row_of = []
        for h in range(heads):
            alone = torch.zeros_like(found)
            alone[h * width : (h + 1) * width] = found[h * width : (h + 1) * width]
            write = out(alone[None])[0]
            if getattr(out, "bias", None) is not None and not wrong.get("bias_in_every_head"):
                write = write - out.bias
            row_of.append(says(behind(block, place.after_attention, written, write)))
        by_head.append(row_of)
        _, mlp = kept["down", b]
        by_mlp.append(says(behind(block, place.after_mlp, mlp, mlp)))
    return says(kept["embedding"]), by_head, by_mlp
