"""Tokens drawn from the model's own distribution, one after another.

Inverse transform sampling: one random number of Python's a token, which falls somewhere in the cumulative sum. torch's
own sampler is not taken: it draws otherwise on another device. Cost: one sort of the vocabulary a token.
"""

import random

import torch

from reportgen.model.needs import Draw
from reportgen.numerics.sampling import apply_temperature, nucleus_size, renormalise


class Sampler:
    """What one trace draws. Its random numbers are its own, so that no other trace changes them."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self._random = random.Random(f"{draw.seed} {draw.attempt}")

    def draw_token(self, logits: torch.Tensor) -> int:
        """The next token after (vocabulary) logits: temperature first, then the cuts, as transformers' samplers do.

        One random number a token; it falls among the tokens as they stand by descending probability, equal ones by
        ascending id.
        """
        ordered = logits.sort(descending=True, stable=True)
        # In float64, on the host: sums over a vocabulary, which not every accelerator has.
        p = apply_temperature(logits, self._draw.temperature)[ordered.indices].cpu().double().exp()
        if self._draw.top_k is not None:
            p = p[: self._draw.top_k]
        if self._draw.top_p is not None:
            p = p[: nucleus_size(renormalise(p), self._draw.top_p)]
        passed = int((renormalise(p).cumsum(0) <= self._random.random()).sum())
        return int(ordered.indices[min(passed, len(p) - 1)])
