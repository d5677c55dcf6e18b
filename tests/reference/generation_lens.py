"""What a model writes, by transformers' own `generate` and its own samplers, and the lens before each token."""

import random

import torch
from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from tests.reference import plain


@torch.no_grad()
def greedy(network, ids, count):
    """The tokens that `generate` appends, the end token among them."""
    prompt = torch.tensor([ids])
    written = network.generate(
        prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=count, do_sample=False, pad_token_id=1
    )
    return written[0, len(ids) :].tolist()


@torch.no_grad()
def drawn(network, ids, count, *, temperature, top_k, top_p, seed, attempt, ends, cut_first=False):
    """Tokens drawn one by one, each after a whole pass; `cut_first` makes a known wrong order of the samplers."""
    numbers = random.Random(f"{seed} {attempt}")
    samplers = [TemperatureLogitsWarper(temperature), TopKLogitsWarper(top_k), TopPLogitsWarper(top_p)]
    written = []
    while len(written) < count and not (written and written[-1] in ends):
        scores = network(torch.tensor([[*ids, *written]])).logits[:, -1].float()
        for sampler in [*samplers[1:], samplers[0]] if cut_first else samplers:
            scores = sampler(None, scores)
        p = torch.softmax(scores[0].double(), -1).tolist()
        number, passed = numbers.random(), 0.0
        for token in sorted(range(len(p)), key=lambda i: (-p[i], i)):
            passed += p[token]
            if passed > number:
                break
        written.append(token)
    return written


def lens(network, family, ids, written):
    """(step) (layer) distributions before each written token, each from a whole pass."""
    return [plain.lens(network, family, [*ids, *written[:step]]) for step in range(len(written))]
