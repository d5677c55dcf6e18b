"""Right answers through the layers, from transformers' own network and unembedding, by loops over Python floats."""

import math

import torch


@torch.no_grad()
def layers_after(network, ids):
    """(layer x vocabulary) probabilities of every layer's lens after the last token: the last is the model's own."""
    seen = []
    blocks = network.model.layers
    hooks = [block.register_forward_pre_hook(lambda _, given: seen.append(given[0])) for block in blocks]
    own = network(torch.tensor([ids])).logits[0, -1].double()
    for hook in hooks:
        hook.remove()
    rows = [network.lm_head(network.model.norm(stream[0, -1:]))[0].double() for stream in seen]
    return [_softmax(row.tolist()) for row in (*rows, own)]


def _softmax(values):
    top = max(values)
    weights = [math.exp(value - top) for value in values]
    return [weight / sum(weights) for weight in weights]


def best_rank(p, tokens, *, worst=False):
    """Rank, from 1, of the best of some tokens; `worst` makes a known wrong formula."""
    ranks = [1 + sum(other > p[token] for other in p) for token in tokens]
    return max(ranks) if worst else min(ranks)


def mass(p, tokens, *, twice=False):
    """Sum over the distinct tokens; `twice` counts a token as often as answers begin with it, which is wrong."""
    return sum(p[token] for token in (tokens if twice else set(tokens)))


def first_leading(ranks):
    """The first layer from which a rank is 1 to the end; None where the last is not."""
    found = None
    for layer in reversed(range(len(ranks))):
        if ranks[layer] != 1:
            break
        found = layer
    return found
