"""Routing by hand: what enters each router, times its matrix, sorted; counted one token after another."""

import math

import torch

SOFTMAX = {"mixtral", "olmoe", "qwen2_moe", "qwen3_moe"}
"""Families whose routers compare probabilities."""
DISTRIBUTION = {
    **dict.fromkeys((*SOFTMAX, "gpt_oss", "granitemoe"), "softmax"),
    "deepseek_v3": "sigmoid",
}
"""Families of which the weights of experts are a function of each one's logit."""


@torch.no_grad()
def router_inputs(network, ids):
    """[(router, (position x width) what enters it)], block after block."""
    seen, handles = [], []
    for module in network.modules():
        if "router" in type(module).__name__.lower():
            handles.append(
                module.register_forward_pre_hook(lambda module, args: seen.append((module, args[0].clone())))
            )
    network(torch.tensor([ids]), use_cache=False)
    for handle in handles:
        handle.remove()
    return [(module, entered.reshape(len(ids), -1)) for module, entered in seen]


def logits_of(router, entered):
    """(position) (expert)"""
    found = entered.double() @ router.weight.detach().double().T
    bias = getattr(router, "bias", None)
    return (found if bias is None else found + bias.detach().double()).tolist()


def scores_of(family, router, logits):
    """What one token's experts are ranked by."""
    if family in SOFTMAX:
        total = sum(math.exp(z) for z in logits)
        return [math.exp(z) / total for z in logits]
    if family != "deepseek_v3":
        return logits
    biased = [1 / (1 + math.exp(-z)) + float(b) for z, b in zip(logits, router.e_score_correction_bias, strict=True)]
    size = len(biased) // router.num_group
    groups = [biased[at : at + size] for at in range(0, len(biased), size)]
    strength = [sum(sorted(group)[-2:]) for group in groups]
    allowed = sorted(range(len(groups)), key=lambda at: -strength[at])[: router.topk_group]
    return [score if at // size in allowed else -math.inf for at, score in enumerate(biased)]


def choose(scores, taken):
    """(chosen experts, margin) of one token."""
    order = sorted(range(len(scores)), key=lambda at: -scores[at])
    return set(order[:taken]), scores[order[taken - 1]] - scores[order[taken]]


def distribution_of(family, logits):
    """One token's distribution over the experts."""
    weights = [math.exp(z) if DISTRIBUTION[family] == "softmax" else 1 / (1 + math.exp(-z)) for z in logits]
    return [one / sum(weights) for one in weights]


def bits(shares):
    """Entropy."""
    return -sum(p * math.log2(p) for p in shares if p)
