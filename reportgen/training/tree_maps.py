"""The structural probe (Hewitt and Manning 2019): a linear map at every layer under which words are as far apart as in
their tree.

d(i, j)² = ‖B (h_i − h_j)‖², B of rank x width; the loss of a sentence of n words is Σ |d² − tree distance| / n² over
all ordered pairs, that of a batch the mean over its sentences. All layers are trained at once: one batched product of
their rows with their maps, then sums over words no wider than the rank, ‖p_i‖² + ‖p_j‖² − 2 p_i·p_j, so that no pair of
wide vectors is ever formed. Sentences of one length stand together and are a batch without padding; the batches stay
the same, and come in another order in every epoch. Adam, its rate falling to 0 as half a cosine: no development set is
held back to stop by. Cost: 6 · rank · width multiplications a word, layer and epoch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reportgen.training.representations import Rows

EPOCHS = 60
RATE = 0.001
"""Of Adam, at the beginning."""
TOGETHER = 10
"""Sentences of a batch."""

Maps = NDArray[np.float32]
"""(layer x rank x width)"""


@dataclass(frozen=True)
class _Batch:
    """Sentences of one length, one after the other."""

    words: slice
    """Of the rows."""
    gold: Tensor
    """(sentence x word x word) edges between two words of a tree."""


def fit_tree_maps(rows: Rows, trees: Sequence[NDArray[np.int64]], rank: int, seed: int) -> Maps:
    """(layer x rank x width) the map of every layer; each begins with the same random numbers, and does not depend on
    which other layers are trained beside it.

    Args:
        rows: (layer x word x width) standardised rows of the sentences, one after another.
        trees: (sentence) (word x word) edges between two words of its tree.
        rank: rows of a map.
        seed: of the beginning and of the order of the batches.
    """
    batches = list(_cut_batches(trees))
    generator = torch.Generator().manual_seed(seed)
    beginning = torch.randn(rank, rows.shape[2], generator=generator) * _find_scale(trees, rank * rows.shape[2])
    # Probes run where no gradient is kept.
    with torch.inference_mode(mode=False), torch.enable_grad():
        read = torch.from_numpy(rows)
        maps = beginning.clone().expand(len(rows), -1, -1).contiguous().requires_grad_()
        adam = torch.optim.Adam([maps], lr=RATE)
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(adam, EPOCHS * len(batches))
        for _ in range(EPOCHS):
            for at in torch.randperm(len(batches), generator=generator).tolist():
                adam.zero_grad()
                _sum_losses(read, maps, batches[at]).backward()  # type: ignore[no-untyped-call]
                adam.step()
                cosine.step()
    found: Maps = maps.detach().numpy()
    return found


def _cut_batches(trees: Sequence[NDArray[np.int64]]) -> Iterator[_Batch]:
    first = 0
    for words, of_length in groupby(trees, key=len):
        alike = torch.from_numpy(np.stack(list(of_length))).float()
        for gold in torch.split(alike, TOGETHER):
            end = first + len(gold) * words
            yield _Batch(slice(first, end), gold)
            first = end


def _find_scale(trees: Sequence[NDArray[np.int64]], numbers: int) -> float:
    """That of the random beginning: two words at random are then as far apart as words of these trees are on average,
    however wide the model is.
    """
    apart = np.concatenate([tree[np.triu_indices(len(tree), 1)] for tree in trees])
    return float(np.sqrt(apart.mean() / (2 * numbers)))


def _sum_losses(read: Tensor, maps: Tensor, batch: _Batch) -> Tensor:
    """The loss of every layer, all added up: the map of one layer is in no other's."""
    seen = torch.bmm(read[:, batch.words], maps.transpose(1, 2))
    apart = square_distances(seen.view(len(read), *batch.gold.shape[:2], -1))
    return (apart - batch.gold).abs().sum() / (batch.gold.shape[1] ** 2 * len(batch.gold))


def square_distances(points: Tensor) -> Tensor:
    """(… x word x word) squared distances of (… x word x rank) points."""
    products = points @ points.transpose(-1, -2)
    lengths = products.diagonal(dim1=-2, dim2=-1)
    apart: Tensor = lengths[..., :, None] + lengths[..., None, :] - 2 * products
    return apart
