"""In which directions of the residual stream an error changes what the model says, and rows seen in that measure."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from reports.dictionaries.activations import PRECISION, at_layer, batches

TEXTS = 8
"""Texts of a batch: their gradients are kept for all positions and layers."""
SCORED = 128
"""Positions that are unembedded at once."""
SMALLEST = 1e-6
"""Of the largest eigenvalue: smaller ones count as so much, so that every direction can be brought back."""


def sensitivity(
    model: PreTrainedModel, texts: Sequence[np.ndarray], layers: Sequence[int], seed: int
) -> dict[int, Tensor]:
    """By layer (width x width): the Fisher information, mean over positions of g gᵀ.

    g is the gradient at a layer's row of −ln p(y) summed over the text's next tokens y, each drawn from the model's own
    distribution; the first position left out. To second order an error e of one row costs eᵀ F e / 2 nats of KL
    divergence.
    """
    dice = torch.Generator().manual_seed(seed)
    width, first = model.config.hidden_size, min(layers)
    sums, count = {layer: torch.zeros(width, width) for layer in layers}, 0
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    for tokens, there in batches(texts, TEXTS):
        there[:, 0] = False
        rows: dict[int, Tensor] = {}
        with ExitStack() as hooks:
            for layer in layers:
                hooks.enter_context(at_layer(model, layer, partial(_followed, rows, layer, first)))
            hooks.enter_context(torch.autocast("cpu", PRECISION))
            hidden = model.model(input_ids=tokens, use_cache=False).last_hidden_state
        hidden.backward(_gradient(model, hidden.detach(), there, dice).to(hidden.dtype))
        for layer, held in rows.items():
            assert held.grad is not None
            g = held.grad[there].float()
            sums[layer] += g.T @ g
        count += int(there.sum())
    return {layer: total / count for layer, total in sums.items()}


def _followed(rows: dict[int, Tensor], layer: int, first: int, hidden: Tensor) -> Tensor | None:
    """Keeps a layer's rows, whose gradients are wanted; what lies below the first of them needs none."""
    if layer != first:
        hidden.retain_grad()
        rows[layer] = hidden
        return None
    rows[layer] = hidden.detach().requires_grad_()
    return rows[layer]


def _gradient(model: PreTrainedModel, hidden: Tensor, there: Tensor, dice: torch.Generator) -> Tensor:
    """(text x position x width) of −ln p(y), y drawn, by what is unembedded; 0 where nothing is asked."""
    gradient = torch.zeros_like(hidden, dtype=torch.float32)
    for some in there.nonzero().split(SCORED):
        text, position = some.unbind(1)
        asked = hidden[text, position].float().requires_grad_()
        with torch.autocast("cpu", PRECISION):
            logits = model.lm_head(asked)
        logits = logits.float()
        said = torch.multinomial(logits.detach().softmax(-1), 1, generator=dice)[:, 0]
        torch.nn.functional.cross_entropy(logits, said, reduction="sum").backward()
        assert asked.grad is not None
        gradient[text, position] = asked.grad
    return gradient


@dataclass(frozen=True)
class Measure:
    """A change of coordinates: `y = (x − mean) @ into` and `x = y @ out + mean`."""

    mean: Tensor
    into: Tensor
    """width x width"""
    out: Tensor
    """width x width"""

    @classmethod
    def of(cls, mean: Tensor, deviation: Tensor, fisher: Tensor, power: float) -> "Measure":
        """Euclidean length is the cost of an error to a power: with 1 the Fisher information decides alone, with 0
        every dimension counts alike once divided by its standard deviation. Rows are of the order of 1.
        """
        eigenvalues, directions = torch.linalg.eigh((deviation[:, None] * fisher * deviation).double())
        stretch = eigenvalues.clamp_min(float(eigenvalues.max()) * SMALLEST) ** (power / 2)
        stretch /= stretch.square().mean().sqrt()
        into = (directions * stretch) @ directions.T / deviation[:, None]
        out = (directions / stretch) @ directions.T * deviation
        return cls(mean, into.float(), out.float())
