"""How it is measured."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reportgen.model.measures.difference import PredictionPair, TensorChange, compare_weights, expected_next
from reportgen.numerics.cka import alignment, centred_kernel, relative_change
from reportgen.numerics.similarity import cosine
from reportgen.probes.drift import FINAL_NEED, STREAM, Drift, Options, counted_positions
from reportgen.probes.drift.view import CLEAR, share_of
from reportgen.probes.parameter_census.run import component_of
from reportgen.probing.case import Case
from reportgen.probing.probe import MeasuredModel


@dataclass(frozen=True)
class _Prediction:
    """What both models expect after one position."""

    prompt: int
    position: int
    token: int
    expected: PredictionPair

    def row(self, case: Case[Options]) -> list[str | int | float | bool | None]:
        """A row of `partings`."""
        shown = [case.tokenizer.show(token) for token in (self.token, self.expected.base, self.expected.other)]
        return [self.prompt, self.position, *shown, self.expected.kl]


def compare(base: MeasuredModel[Options], other: MeasuredModel[Options]) -> Drift:
    """The stream layer by layer, the next tokens, the weights."""
    case = base.case
    counted = [counted_positions(case, single.tokens) for single in base.captured]
    layers = _layers(base, other, counted, case.options.seed)
    predictions = list(_predictions(base, other, counted))
    compared = compare_weights(base.model, other.model)
    beyond = np.flatnonzero(layers["relative_change"] > CLEAR)
    return Drift(
        positions=len(predictions),
        first_changed_layer=int(beyond[0]) if len(beyond) else "no layer changed",
        kl=_mean(predictions, "kl"),
        agreement=_mean(predictions, "agree"),
        weight_change=share_of(
            math.hypot(*(tensor.apart for tensor in compared.tensors)),
            math.hypot(*(tensor.norm for tensor in compared.tensors)),
        ),
        changed_tensors=sum(tensor.apart > 0 for tensor in compared.tensors),
        cka=layers["cka"],
        cka_shuffled=layers["cka_shuffled"],
        cosine=layers["cosine"],
        relative_change=layers["relative_change"],
        kl_by_prompt=_average_by_prompt(predictions, "kl", len(counted)),
        agreement_by_prompt=_average_by_prompt(predictions, "agree", len(counted)),
        weights=[_row(tensor) for tensor in compared.tensors],
        partings=[one.row(case) for one in predictions if not one.expected.agree],
        skipped=[[name, reason] for name, reason in compared.left_out],
        prompts=case.prompt_rows(case.options.prompts),
    )


def _layers(
    base: MeasuredModel[Options], other: MeasuredModel[Options], counted: Sequence[Sequence[int]], seed: int
) -> dict[str, NDArray[np.float32]]:
    """(layer) what is said of the residual stream, by the name of its array."""
    order = _shuffle_all(sum(map(len, counted)), seed)
    found: dict[str, list[Any]] = {"cka": [], "cka_shuffled": [], "cosine": [], "relative_change": []}
    for one, two in zip(_stream(base, counted), _stream(other, counted), strict=True):
        kernel, its = centred_kernel(one), centred_kernel(two)
        found["cka"].append(alignment(kernel, its))
        found["cka_shuffled"].append(alignment(kernel, its[order][:, order]))
        found["cosine"].append(cosine(one, two).mean())
        found["relative_change"].append(relative_change(one, two).mean())
    return {name: np.array([float(value) for value in values], np.float32) for name, values in found.items()}


def _stream(measured: MeasuredModel[Options], counted: Sequence[Sequence[int]]) -> Iterator[Tensor]:
    """(n x width) the residual stream at all counted positions of all prompts, layer by layer, in float64."""
    by_prompt = [single.tensors_of(STREAM, 0) for single in measured.captured]
    for rows in zip(*by_prompt, strict=True):
        together = torch.cat([some[list(positions)] for some, positions in zip(rows, counted, strict=True)])
        yield together.cpu().double()  # not every accelerator has float64


def _shuffle_all(count: int, seed: int) -> list[int]:
    """A random order in which nothing keeps its place (Sattolo 1986)."""
    generator, order = random.Random(seed), list(range(count))
    for last in range(count - 1, 0, -1):
        place = generator.randrange(last)
        order[last], order[place] = order[place], order[last]
    return order


def _predictions(
    base: MeasuredModel[Options], other: MeasuredModel[Options], counted: Sequence[Sequence[int]]
) -> Iterator[_Prediction]:
    """Every counted position of every prompt."""
    for prompt, positions in enumerate(counted):
        tokens = base.captured[prompt].tokens
        (ours,), (theirs,) = (one.captured[prompt].tensors_of(FINAL_NEED, 0) for one in (base, other))
        some = list(positions)
        found = expected_next(base.model, other.model, ours[some], theirs[some])
        for position, expected in zip(some, found, strict=True):
            yield _Prediction(prompt, position, tokens[position], expected)


def _mean(predictions: Iterable[_Prediction], what: str) -> float:
    return float(np.mean([getattr(one.expected, what) for one in predictions]))


def _average_by_prompt(predictions: Sequence[_Prediction], what: str, prompts: int) -> NDArray[np.float32]:
    """(prompt) mean over its positions; NaN for a prompt of special tokens alone."""
    found = np.full(prompts, np.nan, np.float32)
    for prompt, some in groupby(predictions, key=lambda one: one.prompt):
        found[prompt] = _mean(some, what)
    return found


def _row(tensor: TensorChange) -> list[str | int | float | bool | None]:
    """A row of `weights`."""
    shape = " x ".join(str(size) for size in tensor.shape)
    change = share_of(tensor.apart, tensor.norm)
    return [tensor.name, component_of(tensor.name), tensor.block, shape, tensor.norm, change]
