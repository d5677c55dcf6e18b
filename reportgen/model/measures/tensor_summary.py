"""Weights by their name: which there are, what numbers they hold, how these are spread.

The deviation is summed about the mean, in a second pass: the difference of two large sums would lose its digits.
Singular values come from the smaller product of the matrix with itself, not from a decomposition of the matrix, which
needs many times its memory. Cost: some passes over a tensor; an eigenvalue problem of its smaller side.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from reportgen.model.measures.tensor_names import matches
from reportgen.model.needs import Unmeasurable
from reportgen.model.network.anatomy import Network
from reportgen.model.network.held import read_weight
from reportgen.model.network.loaded import LoadedModel
from reportgen.model.network.quantise import (
    named_weights,
    packed_tensors,
    reason_without_floats,
    stored_dtype,
    to_plain_tensor,
)

BINS = 100
"""Bars of a histogram."""
REACH = 6.0
"""Standard deviations on either side of the mean that a histogram shows at most: one outlier would flatten it."""
CORNER = 100
"""Rows and columns of a corner."""
_NUMBERS_TOGETHER = 1 << 22
"""Numbers of a tensor that are looked at together: a copy of a whole table in float32 may cost more than the model."""


@dataclass(frozen=True)
class NamedTensor:
    """One weight, under the first of its names that was asked for."""

    name: str
    block: int | None
    """The block that it belongs to, if any."""
    network: Network

    def read(self) -> torch.Tensor:
        """It, from where it is held.

        Raises:
            Unmeasurable: it is part of a matrix that is packed.
        """
        if reason := reason_without_floats(self.network.get_submodule(self.name.rpartition(".")[0])):
            raise Unmeasurable(reason)
        return read_weight(self.network, self.name)


@dataclass(frozen=True)
class Summary:
    """What numbers a tensor holds."""

    shape: tuple[int, ...]
    dtype: str
    mean: float
    std: float
    """Root of the mean squared distance from the mean."""
    least: float
    largest: float
    zeros: float
    """Share of exact zeros."""
    low: float
    high: float
    """Ends of the histogram."""
    histogram: torch.Tensor
    """(bin) shares of all numbers, in equal steps from low to high; what lies beyond is in none."""
    corner: torch.Tensor
    """(row x column) the first numbers; of a tensor of more dims, those of its first matrix."""


def named_tensors(model: LoadedModel, patterns: Sequence[str]) -> list[NamedTensor]:
    """The weights that exact names or globs match, in the model's order, tied ones once, packed ones last."""
    packed = packed_tensors(model.network)
    blocks = enumerate(model.anatomy.blocks)
    block_of = {id(part): at for at, block in blocks for part in (*block.parameters(), *block.modules())}
    found: dict[int, NamedTensor] = {}
    for name, tensor in named_weights(model.network).items():
        if name not in packed and _matches_any(name, patterns):
            found.setdefault(id(tensor), NamedTensor(name, block_of.get(id(tensor)), model.network))
    unread = (
        NamedTensor(name, block_of.get(id(module)), model.network)
        for name, module in packed.items()
        if _matches_any(name, patterns)
    )
    return [*found.values(), *unread]


def _matches_any(name: str, patterns: Sequence[str]) -> bool:
    return any(matches(name, pattern) for pattern in patterns)


def summary(tensor: torch.Tensor) -> Summary:
    """The numbers of one tensor, read part by part; sums in float64.

    Raises:
        ArithmeticError: some are not finite.
    """
    values = to_plain_tensor(tensor)
    total = values.numel()
    least = min(float(part.min()) for part in _parts(values))
    largest = max(float(part.max()) for part in _parts(values))
    if not (math.isfinite(least) and math.isfinite(largest)):
        raise ArithmeticError("it holds values that are not finite")
    mean = sum(float(part.sum(dtype=torch.float64)) for part in _parts(values)) / total
    squares = sum(float((part - mean).square().sum(dtype=torch.float64)) for part in _parts(values))
    std = math.sqrt(squares / total)
    low, high = max(least, mean - REACH * std), min(largest, mean + REACH * std)
    if not low < high:  # all are the same
        low, high = least - 0.5, least + 0.5
    counts = sum(torch.histc(part, BINS, low, high).double() for part in _parts(values))
    assert isinstance(counts, torch.Tensor)
    return Summary(
        shape=tuple(tensor.shape),
        dtype=stored_dtype(tensor),
        mean=mean,
        std=std,
        least=least,
        largest=largest,
        zeros=sum(int((part == 0).sum()) for part in _parts(values)) / total,
        low=low,
        high=high,
        histogram=counts / total,
        corner=_matrix(values)[:CORNER, :CORNER].float().cpu(),
    )


def singular_values(tensor: torch.Tensor) -> torch.Tensor:
    """(rank) descending, of the tensor's first matrix, in float64.

    They are the roots of the eigenvalues of the smaller of W·Wᵀ and Wᵀ·W, which is summed up part by part: exact to
    10⁻⁸ of the largest, where decomposing a table of a large vocabulary itself would need many times its memory.
    """
    matrix = _matrix(to_plain_tensor(tensor))
    if matrix.shape[0] < matrix.shape[1]:
        matrix = matrix.T
    width = matrix.shape[1]
    product = torch.zeros(width, width, dtype=torch.float64)
    for rows in torch.split(matrix, max(_NUMBERS_TOGETHER // width, 1)):
        wide = rows.cpu().double()  # not every accelerator has float64
        product += wide.T @ wide
    values: torch.Tensor = torch.linalg.eigvalsh(product).clamp_min(0).sqrt().flip(0)
    return values


def _parts(values: torch.Tensor) -> Iterator[torch.Tensor]:
    """All numbers in float32 on the host, some at a time."""
    for part in torch.split(values.reshape(-1), _NUMBERS_TOGETHER):
        yield part.cpu().float()


def _matrix(values: torch.Tensor) -> torch.Tensor:
    """(row x column) a tensor as one matrix: a vector as a row, of several matrices (experts) the first."""
    if values.ndim < 2:
        return values.reshape(1, -1)
    return values[(0,) * (values.ndim - 2)]
