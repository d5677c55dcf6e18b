"""The next token under temperatures and cuts, from plain logits, by loops over Python floats."""

import math

import torch


@torch.no_grad()
def logits(network, ids):
    """(vocabulary) the model's own logits at the last position."""
    return network(torch.tensor([ids])).logits[0, -1].double().tolist()


def softmax(values, temperature, *, multiply=False):
    """(token) probabilities; `multiply` makes a known wrong formula."""
    scaled = [v * temperature if multiply else v / temperature for v in values]
    top = max(scaled)
    weights = [math.exp(v - top) for v in scaled]
    total = sum(weights)
    return [w / total for w in weights]


def keep_k(p, k):
    """The k likeliest, as {token: probability}, renormalised."""
    return _shares(sorted(range(len(p)), key=lambda i: (-p[i], i))[:k], p)


def keep_p(p, mass, *, strictly_below=False):
    """The fewest likeliest that hold the mass; `strictly_below` makes a known wrong cut, one token short."""
    kept, held = [], 0.0
    for i in sorted(range(len(p)), key=lambda i: (-p[i], i)):
        if strictly_below and held + p[i] >= mass:
            break
        kept.append(i)
        held += p[i]
        if held >= mass:
            break
    return _shares(kept, p)


def _shares(kept, p):
    total = sum(p[i] for i in kept)
    return {i: p[i] / total for i in kept}


def entropy(p):
    """In nats."""
    return -sum(q * math.log(q) for q in p if q > 0)


def sparsemax(values, *, mass=1.0):
    """(token) the nearest point of the simplex, by halving an interval for the threshold that makes the sum 1; `mass`
    makes a known wrong one.
    """
    low, high = min(values) - 1.0, max(values)
    for _ in range(200):
        middle = (low + high) / 2
        if sum(max(v - middle, 0.0) for v in values) > mass:
            low = middle
        else:
            high = middle
    return [max(v - high, 0.0) for v in values]
