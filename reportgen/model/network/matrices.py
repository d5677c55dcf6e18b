"""The matrices that attention and MLPs end with, in one layout and in float32 whatever stores them."""

import torch
from torch import nn

from reportgen.model.network.quantise import to_plain_tensor


def matrix_of(projection: nn.Module) -> torch.Tensor:
    """(in x out) what the projection multiplies rows by: nn.Linear stores (out x in), GPT-2's Conv1D (in x out)."""
    # torch types whatever a module holds as a tensor or a module: a projection's weight is a tensor.
    weight = to_plain_tensor(projection.weight).float()  # type: ignore[arg-type]
    return weight.T if isinstance(projection, nn.Linear) else weight


def bias_of(projection: nn.Module) -> torch.Tensor | None:
    """(out) what it adds; None where it adds nothing."""
    bias = getattr(projection, "bias", None)
    return None if bias is None else to_plain_tensor(bias).float()
