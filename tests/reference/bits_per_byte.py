"""Bits per byte from transformers' own logits, a window and a token at a time, by loops over Python floats.

Windows are those of lm-evaluation-harness' `get_rolling_token_windows` with its context of one token, widened to any
overlap; but each has BOS at its head where there is one.
"""

import math

import torch


@torch.no_grad()
def token_bits(network, ids, head, length, overlap):
    """(token) −log2 p of each token of a text; None for the first where nothing stands before it."""
    bits = [] if head else [None]
    start = 0
    while len(bits) < len(ids):
        part = [*head, *ids[start : start + length - len(head)]]
        logits = network(torch.tensor([part])).logits[0].double()
        for at in range(len(bits) - start, len(part) - len(head)):
            row = logits[len(head) + at - 1].tolist()
            top = max(row)
            total = sum(math.exp(value - top) for value in row)
            bits.append(-(row[part[len(head) + at]] - top - math.log(total)) / math.log(2))
        start = len(bits) - overlap
    return bits


def bits_per_byte(bits, sizes, *, nats=False, per_token=False):
    """Of a text; `nats` and `per_token` make known wrong formulas."""
    known = [(one, size) for one, size in zip(bits, sizes, strict=True) if one is not None]
    total = sum(one for one, _ in known) * (math.log(2) if nats else 1.0)
    return total / (len(known) if per_token else sum(size for _, size in known))
