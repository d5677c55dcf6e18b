"""Key-value memories by hand: the MLP written out for each family, one feature and one token at a time."""

import math

import torch


@torch.no_grad()
def coefficients(network, family, ids, block):
    """(position) lists of the coefficients of every feature, from the input of the MLP."""
    mlp = mlp_of(network, family, block)
    entering = {}
    handle = mlp.register_forward_pre_hook(lambda module, args: entering.update(x=args[0][0].clone()))
    network(torch.tensor([ids]), use_cache=False)
    handle.remove()
    found = []
    for x in entering["x"]:
        if family == "gpt2":
            inner = x @ mlp.c_fc.weight + mlp.c_fc.bias
            found.append([gelu(float(value)) for value in inner])
        else:
            gate, up = mlp.gate_proj.weight @ x, mlp.up_proj.weight @ x
            act = gelu if family == "gemma3" else silu
            found.append([act(float(g)) * float(u) for g, u in zip(gate, up, strict=True)])
    return found


def mlp_of(network, family, block):
    return network.transformer.h[block].mlp if family == "gpt2" else network.model.layers[block].mlp


def gelu(x):
    """The tanh form of GELU."""
    return 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def silu(x):
    return x / (1 + math.exp(-x))


@torch.no_grad()
def value(network, family, block, feature):
    """The value vector of a memory."""
    mlp = mlp_of(network, family, block)
    return mlp.c_proj.weight[feature] if family == "gpt2" else mlp.down_proj.weight[:, feature]


@torch.no_grad()
def strongest(network, family, ids, block, k, *, by_norm=True):
    """(feature, coefficient, strength) of the k strongest memories at the last position."""
    last = coefficients(network, family, ids, block)[-1]
    every = []
    for feature, m in enumerate(last):
        norm = math.sqrt(sum(float(v) ** 2 for v in value(network, family, block, feature))) if by_norm else 1.0
        every.append((feature, m, abs(m) * norm))
    return sorted(every, key=lambda one: -one[2])[:k]


@torch.no_grad()
def scores(network, family, block, feature, *, gain=True, final_norm=False):
    """(vocabulary) W_U v, token by token; v with the gain of Gemma's norm behind the MLP."""
    v = value(network, family, block, feature)
    if family == "gemma3" and gain:
        v = (1 + network.model.layers[block].post_feedforward_layernorm.weight) * v
    if final_norm:
        v = (1 + network.model.norm.weight) * v if family == "gemma3" else network.model.norm.weight * v
    return [float(row @ v) for row in network.get_output_embeddings().weight]
