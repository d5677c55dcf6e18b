"""A trained lens from a file: for each layer a matrix and a vector (the tuned lens of Belrose et al. 2023).

The file is safetensors, never pickle: `N.weight` (width x width) and `N.bias` (width) for every layer N from 0, the
embedding, to the last but one. What is read at layer N is h + W h + b. None is trained here: that takes a corpus, and
would make the lens another model to be trusted. Cost: one (width x width) product a row and layer.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from reportgen.documents.beside import is_file
from reportgen.documents.regular_file import open_regular

if TYPE_CHECKING:
    import torch

_PART = 1 << 22
"""Bytes hashed at a time."""


def check_tuned_lens(path: Path, layers: int, width: int) -> None:
    """Looks at the names and shapes in the file alone.

    Raises:
        ValueError: there is no such file, it is not a safetensors file, or it does not fit a model of `layers` blocks.
    """
    from safetensors import SafetensorError, safe_open

    if not is_file(path):
        raise ValueError(f"there is no tuned lens {path}")
    try:
        with safe_open(path, framework="numpy") as file:
            # An open safetensors file has keys(), but cannot be iterated over itself.
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path} is not a safetensors file: {error}") from error
    for layer in range(layers):
        for name, expected in ((f"{layer}.weight", (width, width)), (f"{layer}.bias", (width,))):
            if name not in shapes:
                raise ValueError(f"the tuned lens {path} lacks {name}: layers 0 to {layers - 1} are expected")
            if shapes[name] != expected:
                raise ValueError(f"the tuned lens {path} has {name} of shape {shapes[name]}, expected {expected}")


def apply_tuned_lens(path: Path, residual: torch.Tensor) -> torch.Tensor:
    """(place x layer x width) h + W h + b of every layer of (place x layer x width) rows, in float32."""
    import torch
    from safetensors.torch import load_file

    held = {name: tensor.float() for name, tensor in load_file(path, device=str(residual.device)).items()}
    layers = [
        rows + rows @ held[f"{layer}.weight"].T + held[f"{layer}.bias"]
        for layer, rows in enumerate(residual.float().unbind(1))
    ]
    return torch.stack(layers, dim=1)


def sha256_of(path: Path) -> str:
    """The hash of a regular file's bytes; empty where there is none."""
    digest = hashlib.sha256()
    try:
        with open_regular(path) as file:
            while part := file.read(_PART):
                digest.update(part)
    except (OSError, ValueError):  # a zero byte in its name
        return ""
    return digest.hexdigest()
