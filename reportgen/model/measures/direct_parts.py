"""The parts of a logit: what the embedding, every head, every MLP and the biases give to it directly.

The final norm's scale, and that of norms behind attention, are frozen at the values that they have: then everything
between what a component writes and the logit is linear, and the parts sum to the logit. What a component does by way of
later blocks is in their parts, not in its own: a pass without it (`ablation`) counts that as well. Cost: no further
pass; one product of the direction with each output projection.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from reportgen.model.measures.frozen_norm import freeze_norm
from reportgen.model.network.loaded import LoadedModel
from reportgen.model.network.matrices import bias_of, matrix_of
from reportgen.model.network.writers import Writer


@dataclass(frozen=True)
class ComponentOutputs:
    """What one pass gave at some rows of the stream, one row a logit that is taken apart."""

    embedding: torch.Tensor
    """(row x width) what enters block 0."""
    last: torch.Tensor
    """(row x width) what leaves the last block."""
    heads: Sequence[torch.Tensor]
    """(block) (row x head * head width) what enters the output projection of attention."""
    mlp: Sequence[torch.Tensor]
    """(block) (row x width) what the MLP adds."""


@dataclass(frozen=True)
class Parts:
    """Of each row's logit, before softcap and output scaling."""

    embedding: torch.Tensor
    """(row)"""
    heads: torch.Tensor
    """(row x block x head)"""
    mlp: torch.Tensor
    """(row x block)"""
    bias: torch.Tensor
    """(row) those of attention's output projections, of norms and of the unembedding; an MLP's are in its own part."""

    @property
    def total(self) -> torch.Tensor:
        """(row) the sum of all parts."""
        total: torch.Tensor = self.embedding + self.heads.sum((1, 2)) + self.mlp.sum(1) + self.bias
        return total


@torch.inference_mode()
def direct_parts(model: LoadedModel, seen: ComponentOutputs, directions: torch.Tensor, biases: torch.Tensor) -> Parts:
    """The parts of row · direction + bias behind the final norm, for each row that was seen.

    Args:
        model: where the rows come from; its HEADS and MLP_WRITE are measurable.
        seen: the rows.
        directions: (row x width) rows of the unembedding, or their differences, in float32.
        biases: (row) what the unembedding adds to it.
    """
    width, device = directions.shape[1], directions.device
    norm = freeze_norm(model.final_norm, width, device)
    back = norm.back(directions, norm.scale(seen.last))
    bias = biases + directions @ norm.bias
    heads, after = [], _factors_after(model)
    for block, (writer, found) in enumerate(zip(model.anatomy.attention_writers, seen.heads, strict=True)):
        assert writer is not None
        of_heads, of_bias = _split_attention(writer, found.float(), back * after[block + 1], model.anatomy.heads or 1)
        heads.append(of_heads)
        bias = bias + of_bias
    return Parts(
        embedding=_dot(seen.embedding, back * after[0]),
        heads=torch.stack(heads, dim=1),
        mlp=torch.stack([_dot(written, back * after[block + 1]) for block, written in enumerate(seen.mlp)], dim=1),
        bias=bias,
    )


def _factors_after(model: LoadedModel) -> list[float]:
    """(layer) by what all blocks behind it multiply what stands in the stream there."""
    after = [1.0]
    for block in reversed(range(model.layers)):
        after.append(after[-1] * model.anatomy.carry_factor(block))
    return after[::-1]


def unembedding_rows(model: LoadedModel, ids: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """(id x width) rows of the unembedding in float32, and (id) what it adds to their logits."""
    head = model.anatomy.unembedding
    rows = head.weight[list(ids)].float()
    return rows, torch.zeros(len(rows), device=rows.device) if head.bias is None else head.bias[list(ids)].float()


def _split_attention(
    writer: Writer, found: torch.Tensor, back: torch.Tensor, heads: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """(row x head) parts of the heads, and (row) that of the biases behind them."""
    assert writer.projection is not None
    matrix, bias = matrix_of(writer.projection, back.device), bias_of(writer.projection, back.device)
    direction, of_bias = back * writer.scale, torch.zeros(len(back), device=back.device)
    if writer.norm is not None:
        norm = freeze_norm(writer.norm, matrix.shape[1], back.device)
        written = found @ matrix + (0.0 if bias is None else bias)
        of_bias = of_bias + direction @ norm.bias
        direction = norm.back(direction, norm.scale(written))
    if bias is not None:
        of_bias = of_bias + direction @ bias
    by_number = found * (direction @ matrix.T)
    return by_number.reshape(len(found), heads, -1).sum(-1), of_bias


def _dot(rows: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
    """(row)"""
    return (rows.float() * directions).sum(-1)
