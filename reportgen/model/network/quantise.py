"""`dtype: int8`, dynamic quantisation: the matrices of the blocks as int8 with a scale a row, and what they multiply
rounded to int8 a token while it passes. Embedding, unembedding and norms stay in the checkpoint's own dtype.

torchao does it; https://docs.pytorch.org/ao (Int8DynamicActivationInt8WeightConfig).
"""

from collections.abc import Sequence

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
    """Whether a weight is stored in fewer bits than its dtype says."""
    return hasattr(tensor, "dequantize") and type(tensor) not in (torch.Tensor, nn.Parameter)


def stored_dtype(tensor: torch.Tensor) -> str:
    """The number format in which a weight is stored."""
    return INT8 if is_quantised(tensor) else str(tensor.dtype).removeprefix("torch.")


def to_plain_tensor(tensor: torch.Tensor) -> torch.Tensor:
    """The numbers that a weight stands for, as an ordinary tensor."""
    return (tensor.dequantize() if is_quantised(tensor) else tensor).detach()
