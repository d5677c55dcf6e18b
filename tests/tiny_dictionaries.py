"""Random JumpReLU dictionaries for tiny models, written as SAELens writes them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

WIDTH, FEATURES = 24, 48
AT_THRESHOLD = 0
"""A feature whose value is its threshold, exactly, on every row: it never fires."""


def save_dictionary(folder: Path, layer: int, *, features: int = FEATURES, width: int = WIDTH, **fields: Any) -> Path:
    """A dictionary of the stream at a layer from 1, its weights drawn from the layer's number."""
    made = torch.Generator().manual_seed(layer)
    held = {
        "W_enc": torch.randn(width, features, generator=made) / width**0.5,
        "W_dec": torch.nn.functional.normalize(torch.randn(features, width, generator=made), dim=1),
        "b_enc": torch.randn(features, generator=made) * 0.1,
        "b_dec": torch.randn(width, generator=made) * 0.1,
        "threshold": torch.rand(features, generator=made) + 0.5,
    }
    held["W_enc"][:, AT_THRESHOLD] = 0.0
    held["b_enc"][AT_THRESHOLD] = held["threshold"][AT_THRESHOLD]
    folder.mkdir(parents=True, exist_ok=True)
    save_file(held, folder / "sae_weights.safetensors")
    metadata = {"sae_lens_version": "6.0.0", "hook_name": f"blocks.{layer - 1}.hook_resid_post", "model_name": "",
                **fields.pop("metadata", {})}  # fmt: skip
    configuration = {
        "architecture": "jumprelu",
        "d_in": width,
        "d_sae": features,
        "dtype": "float32",
        "apply_b_dec_to_input": False,
        "normalize_activations": "none",
        "metadata": metadata,
        **fields,
    }
    (folder / "cfg.json").write_text(json.dumps(configuration))
    return folder


def save_dictionaries(folder: Path, layers: Sequence[int] = (1, 2, 3)) -> Path:
    """One dictionary a layer, as `folder/layer_N`."""
    for layer in layers:
        save_dictionary(folder / f"layer_{layer}", layer)
    return folder
