"""Adapters of low rank for tiny models, written as peft writes them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

PREFIX = "base_model.model."
RANK, ALPHA = 4, 6

Tensors = dict[str, NDArray[np.float32]]


def draw_matrices(
    modules: Mapping[str, tuple[int, int]], rank: int = RANK, seed: int = 0, size: float = 0.3
) -> Tensors:
    """The two matrices of each module (inputs, outputs), under the names of an adapter's file."""
    generator = np.random.default_rng(seed)
    drawn: Tensors = {}
    for module, (inputs, outputs) in modules.items():
        for side, shape in (("A", (rank, inputs)), ("B", (outputs, rank))):
            values = size * generator.standard_normal(shape)
            drawn[f"{PREFIX}{module}.lora_{side}.weight"] = values.astype(np.float32)
    return drawn


def save_adapter(folder: Path, tensors: Tensors, **settings: Any) -> Path:
    """An adapter as a folder that stands behind the plus of a source."""
    folder.mkdir(parents=True, exist_ok=True)
    said = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": RANK, "lora_alpha": ALPHA, "bias": "none"}
    said |= {"base_model_name_or_path": "org/tiny", "target_modules": None, **settings}
    (folder / "adapter_config.json").write_text(json.dumps(said))
    save_file(tensors, folder / "adapter_model.safetensors", {"format": "pt"})
    return folder
