"""The matrices that attention and MLPs end with, in one layout and in float32 whatever stores them."""

import torch
from torch import nn

from reportgen.model.needs import Unmeasurable
from reportgen.model.network.held import read_weight
from reportgen.model.network.quantise import reason_without_floats, to_plain_tensor


def matrix_of(projection: nn.Module, device: torch.device | None = None) -> torch.Tensor:
    """(in x out) what the projection multiplies rows by: nn.Linear stores (out x in), GPT-2's Conv1D (in x out).

    Read from where it is held, to a device where one is named.

    Raises:
        Unmeasurable: it is stored in fewer bits, and what it stands for is known to its own library alone.
    """
    if reason := reason_without_floats(projection):
        raise Unmeasurable(f"not measurable: {reason}")
    weight = to_plain_tensor(read_weight(projection, "weight")).to(device).float()
    return weight.T if isinstance(projection, nn.Linear) else weight


def bias_of(projection: nn.Module, device: torch.device | None = None) -> torch.Tensor | None:
    """(out) what it adds; None where it adds nothing."""
    if getattr(projection, "bias", None) is None:
        return None
    return to_plain_tensor(read_weight(projection, "bias")).to(device).float()
