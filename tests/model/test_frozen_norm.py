"""With its scale frozen a norm is linear: its gain and bias are found, whatever family it is of."""

import pytest
import torch
from torch import nn
from transformers.models.gemma3.modeling_gemma3 import Gemma3RMSNorm
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from reportgen.model.measures.frozen_norm import freeze_norm
from reportgen.model.needs import Unmeasurable

WIDTH = 7


def norms() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    made = {
        "RMS": LlamaRMSNorm(WIDTH),
        "RMS of Gemma, 1 + w": Gemma3RMSNorm(WIDTH),
        "LayerNorm": nn.LayerNorm(WIDTH),
        "LayerNorm without a gain": nn.LayerNorm(WIDTH, elementwise_affine=False),
    }
    for norm in made.values():
        for parameter in norm.parameters():
            nn.init.normal_(parameter)
    return made


@pytest.mark.parametrize("name", norms())
@torch.inference_mode()
def test_the_parts_of_a_row_pass_alone_and_sum_to_its_norm(name: str) -> None:
    norm = norms()[name]
    parts = torch.randn(3, WIDTH, generator=torch.Generator().manual_seed(1))
    row = parts.sum(0, keepdim=True)
    found = freeze_norm(norm, WIDTH, torch.device("cpu"))
    apart = found.linear(parts) * found.scale(row)
    torch.testing.assert_close(apart.sum(0) + found.bias, norm(row)[0], atol=1e-4, rtol=1e-3)
    assert found.centred == ("LayerNorm" in name)


@pytest.mark.parametrize("name", norms())
@torch.inference_mode()
def test_a_direction_behind_the_norm_is_carried_before_it(name: str) -> None:
    norm = norms()[name]
    draws = torch.Generator().manual_seed(2)
    row, direction, part = (torch.randn(1, WIDTH, generator=draws) for _ in range(3))
    found = freeze_norm(norm, WIDTH, torch.device("cpu"))
    scale = found.scale(row)
    behind = (found.linear(part) * scale[:, None] * direction).sum()
    before = (part * found.back(direction, scale)).sum()
    torch.testing.assert_close(before, behind, atol=1e-4, rtol=1e-4)


class Clamped(nn.Module):
    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return rows.clamp(-1, 1)


class Wider(nn.Module):
    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return torch.cat([rows, rows], dim=-1)


@pytest.mark.parametrize("module", [Clamped(), Wider(), nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH))])
def test_what_is_more_than_a_norm_is_not_taken_for_one(module: nn.Module) -> None:
    with pytest.raises(Unmeasurable, match="more than a norm"):
        freeze_norm(module, WIDTH, torch.device("cpu"))
