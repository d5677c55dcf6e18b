"""A norm with its scale frozen at the value that it has for a row: then it is linear, and parts of the row pass alone.

What a norm multiplies and adds is found by what it does to rows that are known, not by its name: Gemma's multiplies by
1 + w, LayerNorm takes the mean away, some add a bias. Cost: a few rows through a copy of the norm in float32.
"""

from dataclasses import dataclass

import torch
from torch import nn

from reportgen.model.needs import Unmeasurable
from reportgen.model.network.held import copy_in_float32

_LARGE = 1e3
"""Size of the rows that a norm is tried on: its epsilon is nothing compared with their square."""

_OFF = 1e-2
"""Largest difference, as a share of the largest number, from what the norm itself makes of a row."""
_MORE = "not measurable: there is more than a norm between the last block and the unembedding, or after attention"


@dataclass(frozen=True)
class FrozenNorm:
    """norm(x) = scale(x) * gain * (x - mean(x), where it is centred) + bias, in float32."""

    module: nn.Module
    gain: torch.Tensor
    """(width)"""
    bias: torch.Tensor
    """(width)"""
    centred: bool

    def scale(self, rows: torch.Tensor) -> torch.Tensor:
        """(row) by how much each of (row x width) rows is scaled, apart from the gain."""
        linear = self.linear(rows.float())
        normed = self.module(rows.float()) - self.bias
        scale: torch.Tensor = (normed * linear).sum(-1) / (linear * linear).sum(-1).clamp_min(1e-30)
        return scale

    def linear(self, rows: torch.Tensor) -> torch.Tensor:
        """(row x width) what becomes of (row x width) parts, up to the scale, which is positive."""
        return self._centre(rows) * self.gain

    def back(self, directions: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        """(row x width) what a part is multiplied with before the norm, in place of (row x width) `directions` behind
        it: part · back = normed part · direction, for rows whose scale is frozen at (row) `scale`.
        """
        return self._centre(directions * self.gain * scale[:, None])

    def _centre(self, rows: torch.Tensor) -> torch.Tensor:
        return rows - rows.mean(-1, keepdim=True) if self.centred else rows


@torch.inference_mode()
def freeze_norm(norm: nn.Module, width: int, device: torch.device) -> FrozenNorm:
    """A norm over `width` numbers, taken apart.

    Raises:
        Unmeasurable: it is more than a norm.
    """
    module = copy_in_float32(norm, device)
    even = width - width % 2
    signs = torch.ones(width, device=device)
    signs[1:even:2] = -1.0
    signs[even:] = 0.0  # of an odd width the last number is asked for by itself, below
    bias = module(torch.zeros(1, width, device=device))[0]
    if len(bias) != width:
        raise Unmeasurable(_MORE)
    ones = module(torch.full((1, width), _LARGE, device=device))[0] - bias
    centred = bool(ones.abs().max() <= 1e-3 * (module(_LARGE * signs[None])[0] - bias).abs().max())
    gain = torch.zeros(width, device=device)
    for row in (signs, signs.flip(0)):
        there = row != 0
        # Its numbers have mean 0 and, where none of them is 0, norm sqrt(width).
        response = (module(_LARGE * row[None])[0] - bias) * (row.square().sum() / width).sqrt()
        gain[there] = response[there] * row[there]
    found = FrozenNorm(module, gain, bias, centred)
    _prove(found, torch.linspace(-1.0, 2.0, width, device=device).square()[None])
    return found


def _prove(found: FrozenNorm, row: torch.Tensor) -> None:
    normed = found.module(row)
    again = found.linear(row) * found.scale(row)[:, None] + found.bias
    if not float((again - normed).abs().max()) <= _OFF * float(normed.abs().max()):
        raise Unmeasurable(_MORE)
