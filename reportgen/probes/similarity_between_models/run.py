"""How it is measured."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reportgen.numerics.cka import alignments, unit_kernel
from reportgen.numerics.neighbours import mark_neighbours, shared_neighbours, stepped_cosines
from reportgen.numerics.shuffled import calibrate, chance_of_each
from reportgen.probes.similarity_between_models import (
    STREAM,
    Options,
    Similarity,
    compared_positions,
)
from reportgen.probes.similarity_between_models.view import SURE
from reportgen.probing.pairs import share_positions
from reportgen.probing.probe import MeasuredModel


@dataclass(frozen=True)
class _Geometry:
    """What is kept of a model's layers: how its positions lie to each other, and not where."""

    kernels: Tensor
    """(layer x n x n) unit kernels of CKA, float32."""
    cosines: Tensor
    """(layer x n x n) in whole billionths, int32."""

    def reorder(self, order: Tensor) -> _Geometry:
        """The same of the positions in another order."""
        return _Geometry(*(one[:, order][:, :, order] for one in (self.kernels, self.cosines)))

    def mark(self, candidates: Tensor, k: int) -> Tensor:
        """(layer x n x n) 1 where the column is one of the row's k neighbours, float32."""
        return torch.stack([mark_neighbours(one, candidates, k).float() for one in self.cosines])


@dataclass(frozen=True)
class _Score:
    """One measure of every pair of layers."""

    raw: NDArray[np.float64]
    """(layer x other layer)"""
    shuffled: NDArray[np.float64]
    """(shuffle x layer x other layer)"""


@torch.inference_mode()
def compare(base: MeasuredModel[Options], other: MeasuredModel[Options]) -> Similarity:
    """Every layer of base with every layer of other, and the same in random orders of other's positions."""
    case, options = base.case, base.case.options
    places = compared_positions(case, other.case)
    text = [index for index, kept in enumerate(places) for _ in kept]
    own = torch.tensor(text)
    ours, theirs = (
        _describe_layers(one, [[pair[at] for pair in kept] for kept in places]) for at, one in enumerate((base, other))
    )
    orders = list(_draw_orders(text, options))
    knn, cka = _score(ours, theirs, own[:, None] != own[None, :], options.k, orders)
    return Similarity(
        positions=len(text),
        **_tell_best("knn", knn, "the neighbours are the same in every order"),
        **_tell_best("cka", cka, "all positions of a layer are the same"),
        matched=[
            [
                index,
                len(case.tokens(prompt)),
                len(other.case.tokens(prompt)),
                len(share_positions(case, other.case, prompt)),
                len(kept),
            ]
            for index, (prompt, kept) in enumerate(zip(options.prompts, places, strict=True))
        ],
        prompts=case.prompt_rows(options.prompts),
    )


def _describe_layers(measured: MeasuredModel[Options], places: Sequence[Sequence[int]]) -> _Geometry:
    """Every layer at the compared positions; a layer's rows are held one layer at a time."""
    by_text = [single.tensors_of(STREAM, 0) for single in measured.captured]
    kernels, cosines = [], []
    for of_layer in zip(*by_text, strict=True):
        rows = torch.cat([some[list(kept)] for some, kept in zip(of_layer, places, strict=True)])
        rows = rows.cpu().double()  # not every accelerator has float64
        kernels.append(unit_kernel(rows).float())
        cosines.append(stepped_cosines(rows))
    return _Geometry(torch.stack(kernels), torch.stack(cosines))


def _draw_orders(text: Sequence[int], options: Options) -> Iterator[Tensor]:
    """Random orders of the positions: of all of them, or of each text's among themselves."""
    generator = random.Random(options.seed)
    groups = [0] * len(text) if options.shuffle == "all" else text
    members = [[at for at, own in enumerate(groups) if own == group] for group in dict.fromkeys(groups)]
    for _ in range(options.permutations):
        order = list(range(len(text)))
        for some in members:
            for at, drawn in zip(some, generator.sample(some, len(some)), strict=True):
                order[at] = drawn
        yield torch.tensor(order)


def _score(
    ours: _Geometry, theirs: _Geometry, candidates: Tensor, k: int, orders: Sequence[Tensor]
) -> tuple[_Score, _Score]:
    """Shared neighbours and CKA. In every order the neighbours are found anew among the same candidates, so that the
    true order is one of them.
    """
    marks = ours.mark(candidates, k)

    def both(of_other: _Geometry) -> Tensor:
        neighbours = shared_neighbours(marks, of_other.mark(candidates, k), k)
        return torch.stack([neighbours, alignments(ours.kernels, of_other.kernels)])

    raw = both(theirs).double().numpy()
    shuffled = torch.stack([both(theirs.reorder(order)) for order in orders]).double().numpy()
    knn, cka = (_Score(raw[at], shuffled[:, at]) for at in (0, 1))
    return knn, cka


def _tell_best(measure: str, score: _Score, undefined: str) -> dict[str, Any]:
    """The findings of one measure by their names."""
    calibrated, chance = calibrate(score.raw, score.shuffled), chance_of_each(score.raw, score.shuffled)
    sure = (np.nan_to_num(chance, nan=1.0) <= SURE).any(axis=1)
    found: dict[str, Any] = {
        f"{measure}_by_layer": score.raw,
        f"{measure}_by_layer_calibrated": calibrated,
        f"{measure}_by_layer_chance": chance,
        f"{measure}_best_shuffled": _highest(score.shuffled).mean(axis=0),
        f"{measure}_layers_beyond": int(sure.sum()),
    }
    values = (measure, f"{measure}_calibrated", f"{measure}_chance", f"{measure}_layer", f"{measure}_other_layer")
    if np.isnan(calibrated).all():
        return {**found, **dict.fromkeys(values, undefined)}
    layer, other = np.unravel_index(int(np.nanargmax(calibrated)), calibrated.shape)
    best = (score.raw[layer, other], calibrated[layer, other], chance[layer, other], int(layer), int(other))
    return {**found, **dict(zip(values, best, strict=True))}


def _highest(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """(… x layer) the highest over other's layers of (… x layer x other layer); NaN where there is none."""
    top = np.where(np.isnan(scores), -np.inf, scores).max(axis=-1)
    return np.where(np.isinf(top), np.nan, top)
