"""How it is measured."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from reportgen.model.measures.tensor_summary import NamedTensor, Summary, named_tensors, singular_values, summary
from reportgen.model.needs import PassResult, Unmeasurable
from reportgen.model.network.loaded import LoadedModel
from reportgen.probes.parameter_census.run import component_of
from reportgen.probes.weights import Options, Weights, rows_left_out
from reportgen.probing.case import Case
from reportgen.probing.findings import reason_rows
from reportgen.results.quantities import Rows

MOST_CORNERS = 12
"""Tensors whose corners are kept."""


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> Weights:
    """Tensor by tensor."""
    skipped = dict(rows_left_out(case))
    found: list[tuple[NamedTensor, Summary]] = []
    for tensor in named_tensors(model, case.options.patterns):
        try:
            found.append((tensor, summary(tensor.read())))
        except (ArithmeticError, Unmeasurable) as error:
            skipped[tensor.name] = str(error)
    if not found:
        raise Unmeasurable(next(iter(skipped.values()), "none of its tensors has finite numbers"))
    sizes = [math.prod(one.shape) for _, one in found]
    return Weights(
        numbers=sum(sizes),
        farthest=max(_farthest(one) for _, one in found),
        zeros=sum(one.zeros * size for (_, one), size in zip(found, sizes, strict=True)) / max(sum(sizes), 1),
        tensors=[_row(item, tensor, one) for item, (tensor, one) in enumerate(found)],
        histogram=np.array([one.histogram.numpy() for _, one in found]).reshape(len(found), -1),
        corners=[one.corner.numpy() for _, one in found[:MOST_CORNERS]],
        spectrum=[singular_values(tensor.read()).numpy() for tensor, _ in found] if case.options.spectrum else [],
        named_rows=_name_rows(case, [tensor.name for tensor, _ in found]),
        skipped=reason_rows(skipped),
    )


def _name_rows(case: Case[Options], names: Sequence[str]) -> Rows:
    """Of the first rows of embedding tables, where their numbers are shown."""
    if case.options.numbers is None or not any(component_of(name) == "embedding" for name in names):
        return []
    size = min(case.options.numbers, case.tokenizer.size)
    tokens = [case.tokenizer.show(row) for row in range(size)]
    return [
        [item, row, token]
        for item, name in enumerate(names)
        if component_of(name) == "embedding"
        for row, token in enumerate(tokens)
    ]


def _farthest(one: Summary) -> float:
    """In standard deviations."""
    reach = max(one.largest - one.mean, one.mean - one.least)
    return reach / one.std if one.std else 0.0


def _row(item: int, tensor: NamedTensor, one: Summary) -> list[str | int | float | bool | None]:
    """A row of `tensors`."""
    shape = " x ".join(str(size) for size in one.shape)
    numbers = (one.mean, one.std, one.least, one.largest, one.zeros, _farthest(one), one.low, one.high)
    return [item, tensor.name, component_of(tensor.name), tensor.block, shape, one.dtype, *numbers]
