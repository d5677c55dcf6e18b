"""How two models that are in memory together differ: what they expect next, and their weights.

KL of the whole next-token distributions in nats, and whether the likeliest token is the same: the two disagree, and
both are told. A tensor's change is the Frobenius norm of its difference by its own norm, tensor by tensor; a cosine of
all weights would be 1 to four digits for any fine-tune. Quantised weights are compared as the numbers they stand for.
Cost: two unembeddings a row; one pass over the weights of both models.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from reportgen.model.network.held import read_weight
from reportgen.model.network.loaded import LoadedModel, select_likeliest
from reportgen.model.network.quantise import named_weights, packed_tensors, reason_without_floats, to_plain_tensor
from reportgen.numerics.distributions import kl_divergence, log_softmax

_ROWS_TOGETHER = 16
"""Rows whose logits of both models are held at a time."""
_NUMBERS_TOGETHER = 1 << 22
"""Numbers of a tensor that are compared at a time: a copy of a whole table in float32 may cost more than the model."""


@dataclass(frozen=True)
class PredictionPair:
    """What two models expect after one token."""

    base: int
    """The likeliest token."""
    other: int
    kl: float
    """KL(base || other) of the next-token distributions, in nats."""

    @property
    def agree(self) -> bool:
        """Whether both hold the same token for the likeliest."""
        return self.base == self.other


def expected_next(
    base: LoadedModel, other: LoadedModel, ours: torch.Tensor, theirs: torch.Tensor
) -> Iterator[PredictionPair]:
    """What the models' own logits say at each of (row x width) rows that left their final norms.

    Nothing of vocabulary size is kept.
    """
    for start in range(0, len(ours), _ROWS_TOGETHER):
        some = slice(start, start + _ROWS_TOGETHER)
        log_p = _log_probabilities(base, ours[some])
        log_q = _log_probabilities(other, theirs[some]).to(log_p.device)
        best = (select_likeliest(scores, 1)[1][:, 0].tolist() for scores in (log_p, log_q))
        for one, two, kl in zip(*best, kl_divergence(log_p, log_q).tolist(), strict=True):
            yield PredictionPair(one, two, kl)


def _log_probabilities(model: LoadedModel, normed: torch.Tensor) -> torch.Tensor:
    """(row x vocabulary)"""
    parts = [log_softmax(logits)[: rows.stop - rows.start] for rows, logits in model.final_logits(normed)]
    return torch.cat(parts)


@torch.inference_mode()
def sum_logit_changes(
    base: LoadedModel, other: LoadedModel, ours: torch.Tensor, theirs: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """(sum x vocabulary) Σ over rows of weight · (other's logits − base's), in float64 on the host.

    Args:
        base: whose logits are taken off.
        other: whose logits are added.
        ours: (row x width) rows that left base's final norm.
        theirs: (row x width) rows that left other's.
        weights: (sum x row) float64.
    """
    total = torch.zeros(len(weights), base.anatomy.unembedding.weight.shape[0], dtype=torch.float64)
    for start in range(0, len(ours), _ROWS_TOGETHER):
        some = slice(start, start + _ROWS_TOGETHER)
        apart = _logits(other, theirs[some]).cpu() - _logits(base, ours[some]).cpu()
        total += weights[:, some] @ apart.double()
    return total


def _logits(model: LoadedModel, normed: torch.Tensor) -> torch.Tensor:
    """(row x vocabulary)"""
    return torch.cat([logits[: rows.stop - rows.start].clone() for rows, logits in model.final_logits(normed)])


@dataclass(frozen=True)
class TensorChange:
    """One tensor of two models."""

    name: str
    block: int | None
    """The block that it belongs to, if any."""
    shape: tuple[int, ...]
    norm: float
    """‖base‖ over all its numbers."""
    apart: float
    """‖other − base‖."""


@dataclass(frozen=True)
class WeightComparison:
    """The weights of two models."""

    tensors: Sequence[TensorChange]
    """Those that both have, under one name and of one shape; tied ones once."""
    left_out: Sequence[tuple[str, str]]
    """Names of the others, each with the reason."""


def compare_weights(base: LoadedModel, other: LoadedModel) -> WeightComparison:
    """Every tensor of both models, in base's order."""
    packed = {
        name: reason_without_floats(module)
        for model in (other, base)
        for name, module in packed_tensors(model.network).items()
    }
    ours, theirs = (
        {name: weight for name, weight in named_weights(model.network).items() if name not in packed}
        for model in (base, other)
    )
    block_of = {id(tensor): at for at, block in enumerate(base.anatomy.blocks) for tensor in block.parameters()}
    left_out = list(packed.items())
    left_out += [(name, "base alone has it") for name in ours if name not in theirs]
    left_out += [(name, "other alone has it") for name in theirs if name not in ours]
    tensors, seen = [], set()
    for name in (name for name in ours if name in theirs):
        one, two = ours[name], theirs[name]
        if (id(one), id(two)) in seen:
            continue
        seen.add((id(one), id(two)))
        if one.shape == two.shape:
            norms = _norms(*(to_plain_tensor(read_weight(model.network, name)) for model in (base, other)))
            tensors.append(TensorChange(name, block_of.get(id(one)), tuple(one.shape), *norms))
        else:
            left_out.append((name, f"its shape is {tuple(one.shape)} in base, {tuple(two.shape)} in other"))
    return WeightComparison(tensors, left_out)


def _norms(base: torch.Tensor, other: torch.Tensor) -> tuple[float, float]:
    """‖base‖ and ‖other − base‖, part by part in float32."""
    norm = apart = 0.0
    parts = (torch.split(tensor.reshape(-1), _NUMBERS_TOGETHER) for tensor in (base, other))
    for one, two in zip(*parts, strict=True):
        wide = one.float()
        norm += float(torch.linalg.vector_norm(wide)) ** 2
        apart += float(torch.linalg.vector_norm(two.to(one.device).float() - wide)) ** 2
    return math.sqrt(norm), math.sqrt(apart)
