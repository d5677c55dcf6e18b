"""Tiny random causal LMs and a tokenizer, built in code: every parameter random, biases and norm scales too."""

import json
from functools import cache
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma3TextConfig,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    PretrainedConfig,
    Qwen2Config,
)

VOCABULARY = 320
LAYERS = 3
_SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 1,
}


def configurations() -> dict[str, PretrainedConfig]:
    """A configuration a family."""
    return {
        "llama": LlamaConfig(**_SIZES, tie_word_embeddings=False),
        "gemma2": Gemma2Config(
            **_SIZES, head_dim=6, query_pre_attn_scalar=6, final_logit_softcapping=3.0, attn_logit_softcapping=5.0
        ),
        "gemma3": Gemma3TextConfig(**_SIZES, head_dim=6, query_pre_attn_scalar=6, sliding_window=8),
        "gpt2": GPT2Config(
            vocab_size=VOCABULARY, n_embd=24, n_layer=LAYERS, n_head=4, n_positions=512, bos_token_id=0, eos_token_id=1
        ),
        "qwen2": Qwen2Config(**_SIZES),
        "mistral": MistralConfig(**_SIZES, sliding_window=16),
    }


FAMILIES = tuple(configurations())


def random_model(family: str, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.nn.Module:
    """A model of a family whose every parameter is random and of a size that matters."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(configurations()[family], attn_implementation="eager")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            centre = 1.0 if parameter.ndim == 1 and "gemma" not in family else 0.0
            parameter.copy_(centre + 0.3 * torch.randn(parameter.shape, generator=generator))
    model.tie_weights()
    return model.to(dtype).eval()


@cache
def tokenizer_json(bos: bool = True) -> str:
    """A byte-level BPE tokenizer trained on a few sentences, with or without BOS."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<bos>", "<eos>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    texts = ["I ate an apple for breakfast", "an apple a day", "the apple of my eye"]
    tokenizer.train_from_iterator(texts * 4, trainer)
    if bos:
        tokenizer.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 0)])
    return tokenizer.to_str()


def save_tiny(folder: Path, family: str = "llama", *, seed: int = 0, bos: bool = True, chat_template: str = "") -> Path:
    """A tiny model as a folder that `source:` can name."""
    random_model(family, seed).save_pretrained(folder)
    (folder / "tokenizer.json").write_text(tokenizer_json(bos))
    settings = {"bos_token": "<bos>", "eos_token": "<eos>"}
    if chat_template:
        settings["chat_template"] = chat_template
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder
