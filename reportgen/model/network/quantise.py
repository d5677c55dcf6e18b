"""Weights in fewer bits than they are computed with: those that `dtype: int8` makes, and those of a checkpoint.

`dtype: int8` is dynamic quantisation: the matrices of the blocks as int8 with a scale a row, and what they multiply
rounded to int8 a token while it passes. Embedding, unembedding and norms stay in the checkpoint's own dtype. torchao
does it; https://docs.pytorch.org/ao (Int8DynamicActivationInt8WeightConfig).

A checkpoint that is quantised already is run by the library that made it, in modules of its own: what their packed
numbers stand for, it alone knows.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from reportgen.errors import Mistake, ModelError

INT8 = "int8"


def quantise(blocks: Sequence[nn.Module]) -> None:
    """Quantises every linear layer of these blocks where it stands.

    Raises:
        ModelError: they hold none, or torchao is missing.
    """
    if not any(isinstance(module, nn.Linear) for block in blocks for module in block.modules()):
        raise ModelError(
            Mistake("its blocks hold no linear layers that int8 could quantise", "name another dtype, such as float32")
        )
    try:
        from torchao.quantization import Int8DynamicActivationInt8WeightConfig, quantize_
    except ImportError as error:
        raise ModelError(Mistake("dtype: int8 needs torchao", "pip install torchao, or name another dtype")) from error
    for block in blocks:
        quantize_(block, Int8DynamicActivationInt8WeightConfig())


def is_quantised(tensor: torch.Tensor) -> bool:
    """Whether a weight that computes as floats is stored in fewer bits than its dtype says."""
    plain = type(tensor) in (torch.Tensor, nn.Parameter)
    return not plain and tensor.is_floating_point() and hasattr(tensor, "dequantize")


def is_packed(module: nn.Module) -> bool:
    """Whether a linear map is stored as a library of quantisation packs it: bytes, with scales beside them."""
    weight = getattr(module, "weight", None)
    if not (isinstance(getattr(module, "in_features", None), int) and hasattr(module, "out_features")):
        return False
    return not (isinstance(weight, torch.Tensor) and weight.is_floating_point() and weight.element_size() > 1)


def reason_without_floats(module: nn.Module) -> str:
    """Why no numbers can be read from the weights of a module; empty where they can."""
    return f"its weights are packed in fewer bits ({type(module).__name__})" if is_packed(module) else ""


def packed_tensors(network: Any) -> dict[str, Any]:
    """Name -> module of each matrix that is packed, and of the bias beside it: some libraries make neither a parameter.

    The names are those that they have where nothing is quantised.
    """
    packed = {name: module for name, module in network.named_modules() if is_packed(module)}
    return {
        f"{name}.{own}": module
        for name, module in packed.items()
        for own in ("weight", "bias")
        if own == "weight" or getattr(module, "bias", None) is not None
    }


def describe_quantisation(config: Any) -> str:
    """How the checkpoint of a configuration is quantised, as bitsandbytes 4-bit; empty where it is not."""
    written = getattr(config, "quantization_config", None)
    if written is None:
        return ""
    said = written if isinstance(written, dict) else written.to_dict()
    method = said.get("quant_method") or "unknown"
    method = str(getattr(method, "value", method))
    bits = said.get("bits") or (4 if said.get("load_in_4bit") else 8 if said.get("load_in_8bit") else _bits_of(said))
    return f"{method} {bits}-bit" if bits else method


def _bits_of(said: dict[str, Any]) -> int | None:
    """Bits of a weight where compressed-tensors says them of groups of matrices, and of all alike."""
    groups = (said.get("config_groups") or {}).values()
    bits = {(group.get("weights") or {}).get("num_bits") for group in groups if isinstance(group, dict)}
    return bits.pop() if len(bits) == 1 else None


def named_weights(network: Any) -> dict[str, nn.Parameter]:
    """Every weight, shared ones under each of their names; not the scales that a library keeps beside packed ones."""
    named = dict(network.named_parameters(remove_duplicate=False))
    if not describe_quantisation(network.config):
        return named
    return {name: weight for name, weight in named.items() if not _is_scale(network, name)}


def _is_scale(network: Any, name: str) -> bool:
    owner, _, own = name.rpartition(".")
    return own not in {"weight", "bias"} and isinstance(getattr(network.get_submodule(owner), "in_features", None), int)


def stored_dtype(tensor: torch.Tensor) -> str:
    """The number format in which a weight is stored."""
    return INT8 if is_quantised(tensor) else str(tensor.dtype).removeprefix("torch.")


def to_plain_tensor(tensor: torch.Tensor) -> torch.Tensor:
    """The numbers that a weight stands for, as an ordinary tensor."""
    return (tensor.dequantize() if is_quantised(tensor) else tensor).detach()
