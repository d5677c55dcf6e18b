"""Special tokens that no file of a model names: those that its tokenizer's class in transformers has by itself.

Importing the classes would import torch. A test compares this table with them.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reportgen.documents.regular_file import CONFIGURATION_BYTES, TOKENIZER_BYTES, read_regular

NAMES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
_SENTENCE_PIECE = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
_END = "<|endoftext|>"
_QWEN = {"eos_token": _END, "unk_token": _END, "pad_token": _END}

BY_CLASS: dict[str, Mapping[str, str]] = {
    "BioGptTokenizer": {**_SENTENCE_PIECE, "sep_token": "</s>", "pad_token": "<pad>"},
    "CTRLTokenizer": {"unk_token": "<unk>"},
    "CodeLlamaTokenizer": _SENTENCE_PIECE,
    "CohereTokenizer": {
        "bos_token": "<BOS_TOKEN>", "eos_token": "<|END_OF_TURN_TOKEN|>", "unk_token": "<UNK>", "sep_token": "<SEP>",
        "pad_token": "<PAD>", "cls_token": "<CLS>", "mask_token": "<MASK_TOKEN>",
    },
    "CpmAntTokenizer": {**_SENTENCE_PIECE, "pad_token": "<pad>"},
    "GPT2Tokenizer": {"bos_token": _END, "eos_token": _END, "unk_token": _END},
    "GPTNeoXJapaneseTokenizer": {"bos_token": "<|startoftext|>", **_QWEN},
    "GPTNeoXTokenizer": {"bos_token": _END, "eos_token": _END, "unk_token": _END, "pad_token": "<|padding|>"},
    "GemmaTokenizer": {
        "bos_token": "<bos>", "eos_token": "<eos>", "unk_token": "<unk>", "pad_token": "<pad>", "mask_token": "<mask>",
    },
    "LlamaTokenizer": _SENTENCE_PIECE,
    "OpenAIGPTTokenizer": {"unk_token": "<unk>"},
    "Qwen2Tokenizer": _QWEN,
    "Qwen3_5Tokenizer": _QWEN,
    "XGLMTokenizer": {**_SENTENCE_PIECE, "sep_token": "</s>", "pad_token": "<pad>", "cls_token": "<s>"},
}  # fmt: skip
"""Class without `Fast` -> name -> token, for the classes of decoder-only models."""

_BACKEND = "TokenizersBackend"
_TYPES = {
    "BioGptTokenizer": "biogpt",
    "CTRLTokenizer": "ctrl",
    "CohereTokenizer": "cohere cohere2",
    "CpmAntTokenizer": "cpmant",
    "GPT2Tokenizer": "codegen dbrx emu3 gpt2 gpt_neo gptj jais2 opt phi starcoder2",
    "GPTNeoXJapaneseTokenizer": "gpt_neox_japanese",
    "GPTNeoXTokenizer": "falcon_mamba gpt_neox mamba mamba2 mpt olmo olmoe rwkv xlstm",
    "GemmaTokenizer": "gemma gemma2 gemma3 gemma3_text gemma3n gemma3n_text recurrent_gemma zaya",
    "OpenAIGPTTokenizer": "openai-gpt",
    "Qwen2Tokenizer": "dots3_note moss_transcribe_diarize qwen2 qwen2_moe qwen3 qwen3_moe qwen3_next",
    "Qwen3_5Tokenizer": "qwen3_5 qwen3_5_moe qwen3_5_moe_text qwen3_5_text qwen4_exp",
    "XGLMTokenizer": "xglm",
    _BACKEND: "ernie4_5 ernie4_5_moe flex_olmo fuyu glm glm4 glm4_moe glm4_moe_lite got_ocr2 gpt_bigcode granite "
    "granitemoe granitemoehybrid granitemoeshared hyperclovax internlm3 iquestcoder jamba kimi_linear mimo_v2_flash "
    "minicpm3 minimax_m2 ministral ministral3 mistral mixtral modernbert-decoder nemotron olmo2 olmo3 olmo_hybrid "
    "persimmon phi3 phimoe stablelm",
}
CLASS_OF_TYPE = {kind: name for name, kinds in _TYPES.items() for kind in kinds.split()}
"""Model type -> class that transformers registers for it; the backend alone has no tokens of its own."""

_MISNAMED = (
    "arctic chatlm ernie4_5 ernie4_5_moe fuyu h2ovl_chat hyperclovax hyperclovax_vlm hyperclovax_vision_v2 internlm2 "
    "internlm3 iquestcoder jamba llava llava_next minicpm3 minicpmv minimax_m2 modernbert modernbert-decoder molmo "
    "molmo2 nemotron nvfp4 opencua openvla paddleocr_vl phi3 phi3_v phimoe qwen2 qwen3_5 qwen3_5_moe qwen3_5_moe_text "
    "qwen4_exp step3_vl vipllava cohere_asr camembertv2-base siglip2 smolvlm"
)
MISNAMED = frozenset(_MISNAMED.split())
"""Model types whose files name a wrong class, so that transformers takes the registered one."""


def defaults_of(folder: Path, settings: Mapping[str, Any]) -> Mapping[str, str]:
    """Name -> token, as the class of a model's tokenizer has them where `settings` (tokenizer_config.json) say nothing.

    The class is chosen as transformers' AutoTokenizer does.
    """
    return BY_CLASS.get(_class_of(folder, settings), {})


def _class_of(folder: Path, settings: Mapping[str, Any]) -> str:
    config = _config(folder)
    named = settings.get("tokenizer_class") or config.get("tokenizer_class")
    declared = named.removesuffix("Fast") if isinstance(named, str) else ""
    kind = config.get("model_type")
    registered = CLASS_OF_TYPE.get(kind, "") if isinstance(kind, str) else ""
    misnamed = kind in MISNAMED if isinstance(kind, str) else False
    if declared == "LlamaTokenizer" and not misnamed and _is_byte_level(folder):
        return _BACKEND  # that class is of another kind of tokenizer
    if not declared or (misnamed and registered):
        return registered
    return _BACKEND if registered == _BACKEND else declared


def _config(folder: Path) -> Mapping[str, Any]:
    try:
        config = json.loads(read_regular(folder / "config.json", CONFIGURATION_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return config if isinstance(config, dict) else {}


def _is_byte_level(folder: Path) -> bool:
    try:
        return b'"ByteLevel"' in read_regular(folder / "tokenizer.json", TOKENIZER_BYTES)
    except OSError:
        return False
