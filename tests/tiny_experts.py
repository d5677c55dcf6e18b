"""Tiny models with routed experts: eight experts a block, of which two or three take a token."""

from pathlib import Path
from typing import Any

import torch
import transformers

from tests.shrunk import save_tokenizer, shrunk_config

EXPERTS, TAKEN = 8, 3
FAMILIES = (
    "mixtral",
    "olmoe",
    "qwen2_moe",
    "qwen3_moe",
    "deepseek_v3",
    "gpt_oss",
    "granitemoe",
    "llama4_text",
    "phimoe",
)
_COUNTS = ("num_local_experts", "num_experts", "n_routed_experts")


def routed_model(family: str, seed: int = 0, dtype: torch.dtype = torch.float32) -> Any:
    """A model of a family; DeepSeek's choice is limited to groups and corrected by a bias, as in its checkpoints."""
    config = shrunk_config(family)
    for name in _COUNTS:
        if name in vars(config):
            setattr(config, name, EXPERTS)
    if family != "phimoe":  # which chooses two, one after the other
        config.num_experts_per_tok = TAKEN
    if family == "deepseek_v3":
        config.n_group, config.topk_group, config.first_k_dense_replace = 4, 2, 1
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            centre = 1.0 if parameter.ndim == 1 else 0.0
            parameter.copy_(centre + 0.2 * torch.randn(parameter.shape, generator=generator))
        for name, buffer in model.named_buffers():
            if "correction_bias" in name:
                buffer.copy_(0.3 * torch.randn(buffer.shape, generator=generator))
    model.tie_weights()
    return model.to(dtype).eval()


def save_routed(folder: Path, family: str = "mixtral", *, seed: int = 0, model: Any = None) -> Path:
    """A model as a folder that `source:` can name."""
    (routed_model(family, seed) if model is None else model).save_pretrained(folder)
    return save_tokenizer(folder)
