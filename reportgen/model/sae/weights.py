"""A dictionary's tensors in float32, whatever they are stored as; what is not finite is refused."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from reportgen.errors import Mistake
from reportgen.model.sae.files import DictionaryError, DictionaryFiles, Layout

Parts = Mapping[str, torch.Tensor]
_UNIT = 0.02
"""How far the norms of rows that are told to be 1 may lie from it: rounding to bfloat16 leaves 0.004."""


def read_parts(files: DictionaryFiles, device: torch.device | str) -> dict[str, torch.Tensor]:
    """Part -> float32 tensor on the device; the encoder (width x feature), the decoder (feature x width).

    Raises:
        DictionaryError: a tensor cannot be read, or holds NaN or infinity.
    """
    layout = files.layout
    stored = _read_tensors(files.weights, list(layout.tensors.values()))
    parts = {}
    for part, name in layout.tensors.items():
        tensor = stored.pop(name).to(device=device, dtype=torch.float32)
        if not bool(torch.isfinite(tensor).all()):
            bad = int((~torch.isfinite(tensor)).sum())
            raise DictionaryError(
                Mistake(
                    f"{name!r} holds NaN or infinity in {bad:,} of {tensor.numel():,} numbers",
                    "Numbers of a dictionary are finite: is the download complete, and did the training converge?",
                    files.weights,
                )
            )
        parts[part] = tensor.T if layout.transposed and part in ("encoder", "decoder") else tensor
    if layout.unit_decoder:
        _check_norms(parts["decoder"], files)
    return _fold_scales(parts, layout)


def _read_tensors(file: Path, names: list[str]) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError, safe_open

    try:
        if file.suffix == ".npz":
            with np.load(file, allow_pickle=False) as arrays:
                return {name: torch.from_numpy(arrays[name]) for name in names}
        with safe_open(file, framework="pt") as opened:
            return {name: opened.get_tensor(name) for name in names}
    except (SafetensorError, OSError, ValueError, TypeError, KeyError, EOFError) as error:
        raise DictionaryError(Mistake(f"cannot be read: {error}", "Download or copy the file again.", file)) from error
    except Exception as error:  # zipfile and zlib raise errors of their own for damaged members
        if type(error).__module__ not in ("zipfile", "zlib"):
            raise
        raise DictionaryError(Mistake(f"is damaged: {error}", "Download or copy the file again.", file)) from error


def _check_norms(decoder: torch.Tensor, files: DictionaryFiles) -> None:
    norms = torch.linalg.vector_norm(decoder, dim=1)
    worst = float((norms - 1).abs().max())
    if worst > _UNIT:
        raise DictionaryError(
            Mistake(
                f"decoder rows whose norm is not 1, but differs by up to {worst:.3g}",
                "With sparsity_include_decoder_norm only a dictionary stored with unit norms is supported.",
                files.weights,
            )
        )


def _fold_scales(parts: dict[str, torch.Tensor], layout: Layout) -> dict[str, torch.Tensor]:
    """The parts with every scale of the layout taken into them, so that one arithmetic serves all."""
    zeros = torch.zeros(layout.width, device=parts["encoder"].device)
    parts.setdefault("decoder_bias", zeros)
    if layout.scale != 1.0:
        parts["encoder"] = parts["encoder"] * layout.scale
        parts["decoder"] = parts["decoder"] / layout.scale
        parts["decoder_bias"] = parts["decoder_bias"] / layout.scale
    if "decoder_scale" in parts:
        parts["decoder"] = parts["decoder"] * parts.pop("decoder_scale")[:, None]
    if layout.rescale_by_decoder_norm:
        norms = torch.linalg.vector_norm(parts["decoder"], dim=1)
        parts["encoder"] = parts["encoder"] * norms
        parts["encoder_bias"] = parts["encoder_bias"] * norms
        parts["decoder"] = parts["decoder"] / norms.clamp(min=1e-30)[:, None]
    if layout.activation == "jumprelu":
        common = parts.pop("common_threshold", None)
        one = layout.threshold if common is None else float(common)
        if one is not None:
            parts["threshold"] = torch.full((layout.features,), one, device=zeros.device)
    return parts
