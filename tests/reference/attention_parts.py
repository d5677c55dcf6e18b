"""The way to an attention weight by hand: projections, norms, rotation and softmax written out, one key at a time."""

import math

import torch


def rotated(vector, position, theta):
    """Rotary embedding of one head's vector, its halves turned against each other."""
    half = len(vector) // 2
    turned = vector.clone()
    for i in range(half):
        angle = position * theta ** (-2 * i / len(vector))
        one, two = vector[i], vector[i + half]
        turned[i] = one * math.cos(angle) - two * math.sin(angle)
        turned[i + half] = two * math.cos(angle) + one * math.sin(angle)
    return turned


@torch.no_grad()
def parts(network, ids, block, head, query, *, norm_heads=False, kv_heads=2, scaling=None, cap=None, window=None,
          theta=10_000.0, rotate=True, gain=0.0):  # fmt: skip
    """(scores, weights, value norms) over the keys that the query of a Llama-like model sees.

    `gain` is what is added to the weights of norms of heads (Gemma's 1 + w); the rest makes wrong formulas.
    """
    layer = network.model.layers[block]
    attention = layer.self_attn
    entering = {}

    def keep(module, args, kwargs):
        entering["x"] = (args[0] if args else kwargs["hidden_states"])[0].clone()

    handle = attention.register_forward_pre_hook(keep, with_kwargs=True)
    network(torch.tensor([ids]), use_cache=False)
    handle.remove()
    x, width = entering["x"], attention.head_dim
    group = head // (network.config.num_attention_heads // kv_heads)

    def part(projection, which, norm=None):
        rows = projection(x)[:, which * width : (which + 1) * width]
        if norm is not None:
            rows = rows / (rows.square().mean(-1, keepdim=True) + norm.eps).sqrt() * (gain + norm.weight)
        return rows

    q = part(attention.q_proj, head, attention.q_norm if norm_heads else None)
    k = part(attention.k_proj, group, attention.k_norm if norm_heads else None)
    v = part(attention.v_proj, group)
    scores, norms = [], []
    for key in range(query + 1):
        if window is not None and key <= query - window:
            scores.append(-math.inf)
        else:
            one = rotated(q[query], query, theta) if rotate else q[query]
            two = rotated(k[key], key, theta) if rotate else k[key]
            score = float(one @ two) * (width**-0.5 if scaling is None else scaling)
            scores.append(score if cap is None else cap * math.tanh(score / cap))
        norms.append(float((attention.o_proj.weight[:, head * width : (head + 1) * width] @ v[key]).norm()))
    whole = sum(math.exp(score) for score in scores)
    return scores, [math.exp(score) / whole for score in scores], norms
