"""Random Llamas of a chosen shape, as folders that a battery can name."""

import json
import shutil
from pathlib import Path
from typing import Any

import reportgen.model  # noqa: F401  (says how waiting threads wait, which torch reads when it is imported)

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")


def save_llama(
    folder: Path,
    *,
    seed: int = 0,
    dtype: str = "float32",
    device: str = "cpu",
    tokenizer: Path | None = None,
    **shape: Any,
) -> Path:
    """A Llama of that shape, with the tokenizer of another model's folder, else the tiny one and its vocabulary.

    An accelerator as `device` makes the weights of a large one in a second.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from tests.tiny import VOCABULARY, tokenizer_json

    config = LlamaConfig(**{"vocab_size": VOCABULARY, "bos_token_id": 0, "eos_token_id": 1} | shape)
    torch.manual_seed(seed)
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, dtype))  # float32 weights of a large model would not fit beside their copies
    try:
        with torch.device(device):
            model = LlamaForCausalLM(config)
    finally:
        torch.set_default_dtype(before)
    model.save_pretrained(folder)
    if tokenizer is None:
        (folder / "tokenizer.json").write_text(tokenizer_json())
        (folder / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<bos>", "eos_token": "<eos>"}))
    else:
        for name in TOKENIZER_FILES:
            shutil.copy(tokenizer / name, folder / name)
    return folder
