"""MLPs as key-value memories (Geva et al. 2021): the values, and what the unembedding says of them.

How much a memory does is |m| · ‖v‖, the length of what it adds; |m| alone would rank memories with short values too
high. Cost: the norms of a block's values; one unembedding a value that is read.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from reportgen.model.measures.frozen_norm import freeze_norm
from reportgen.model.network.loaded import LoadedModel, select_likeliest
from reportgen.model.network.matrices import matrix_of


@dataclass(frozen=True)
class Reading:
    """The tokens that a value vector speaks for, and those it speaks against."""

    top_ids: list[int]
    top_scores: list[float]
    bottom_ids: list[int]
    bottom_scores: list[float]


def values_of(model: LoadedModel, block: int) -> torch.Tensor:
    """(feature x width) the value vectors of a block in float32: the columns of its down projection."""
    writer = model.anatomy.mlp_writers[block]
    assert writer is not None
    assert writer.projection is not None
    return matrix_of(writer.projection, model.device)


@torch.inference_mode()
def strengths(model: LoadedModel, block: int, coefficients: torch.Tensor) -> torch.Tensor:
    """(row x feature) |m| * ‖v‖, of (row x feature) coefficients m."""
    norms = torch.linalg.vector_norm(values_of(model, block), dim=1)
    strong: torch.Tensor = coefficients.float().abs() * norms
    return strong


@torch.inference_mode()
def scale_as_written(model: LoadedModel, block: int, features: Sequence[int]) -> torch.Tensor:
    """(feature x width) what some value vectors are in the stream, up to a positive scale: where a norm follows the
    MLP (Gemma), each of their numbers has its gain.
    """
    writer = model.anatomy.mlp_writers[block]
    assert writer is not None
    rows = values_of(model, block)[list(features)]
    return rows if writer.norm is None else freeze_norm(writer.norm, rows.shape[1], rows.device).linear(rows)


@torch.inference_mode()
def readings(model: LoadedModel, rows: torch.Tensor, k: int) -> list[Reading]:
    """The k tokens of largest and of smallest W_U · row, for each of (row x width) rows."""
    found = []
    for _, scores in model.unembedding_scores(rows):
        top, top_ids = select_likeliest(scores, k)
        bottom, bottom_ids = select_likeliest(-scores, k)
        columns = (top_ids.tolist(), top.tolist(), bottom_ids.tolist(), (-bottom).tolist())
        found += [Reading(*row) for row in zip(*columns, strict=True)]
    return found
