"""Low-rank adapters of linear maps (Hu et al., "LoRA", 2021): attached to a model, trained there, stored as PEFT does.

In the place of W x a module gives W x + (alpha / rank) · B A x, with A (rank x in) drawn at random and B (out x rank) 0
at first, so that training begins from the model as it is. W stays what it was.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

PREFIX = "base_model.model."
"""What PEFT puts before the name of a module."""


@dataclass(frozen=True)
class Shape:
    """Which maps are adapted, and how finely."""

    rank: int
    alpha: int
    modules: Sequence[str]
    """Last parts of the names of linear maps."""
    blocks: Sequence[int]
    dropout: float
    """Share of what A reads that is left out at random while it is trained."""


class AdaptedLinear(nn.Module):
    """A linear map and what is added to it. Whatever the map's precision, the addition is float32."""

    def __init__(self, linear: nn.Linear, shape: Shape, dice: torch.Generator) -> None:
        """With an addition that is 0."""
        super().__init__()
        self.linear = linear
        self.scale = shape.alpha / shape.rank
        self.dropout = nn.Dropout(shape.dropout)
        first = torch.randn(shape.rank, linear.in_features, generator=dice) / linear.in_features**0.5
        self.lora_a = nn.Parameter(first)
        self.lora_b = nn.Parameter(torch.zeros(linear.out_features, shape.rank))

    def forward(self, x: Tensor) -> Tensor:
        """(… x in) to (… x out)."""
        out: Tensor = self.linear(x)
        return out + self.scale * ((self.dropout(x) @ self.lora_a.T) @ self.lora_b.T).to(out.dtype)


def attach(model: PreTrainedModel, shape: Shape, seed: int) -> dict[str, AdaptedLinear]:
    """Puts the adapter into the model, everything else of which is frozen: name of the module -> what stands there."""
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    dice = torch.Generator().manual_seed(seed)
    adapted: dict[str, AdaptedLinear] = {}
    for block in shape.blocks:
        for name, module in list(model.get_submodule(f"model.layers.{block}").named_modules()):
            if name.rsplit(".", 1)[-1] not in shape.modules or not isinstance(module, nn.Linear):
                continue
            path = f"model.layers.{block}.{name}"
            adapted[path] = AdaptedLinear(module, shape, dice)
            model.set_submodule(path, adapted[path])
    return adapted


def save_adapter(folder: Path, adapted: dict[str, AdaptedLinear], shape: Shape, base: str) -> None:
    """Writes the two files of a PEFT adapter, its tensors as float16; `base` is its model's name on the hub."""
    tensors: dict[str, Tensor] = {}
    for path, module in adapted.items():
        tensors[f"{PREFIX}{path}.lora_A.weight"] = module.lora_a.detach().half().contiguous()
        tensors[f"{PREFIX}{path}.lora_B.weight"] = module.lora_b.detach().half().contiguous()
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    config = {
        "base_model_name_or_path": base,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "layers_to_transform": list(shape.blocks),
        "lora_alpha": shape.alpha,
        "lora_dropout": shape.dropout,
        "peft_type": "LORA",
        "r": shape.rank,
        "target_modules": list(shape.modules),
        "task_type": "CAUSAL_LM",
        "use_rslora": False,
    }
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
