"""What a config.json says of a model, in one vocabulary for all families; imports neither torch nor transformers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reportgen.documents.regular_file import CONFIGURATION_BYTES, read_regular_text
from reportgen.errors import Mistake, ModelError
from reportgen.model.files.config_limits import check_sizes
from reportgen.text.chat_files import has_chat_template

Config = Mapping[str, Any]

_LAYERS = ("decoder_layers", "num_decoder_layers", "num_hidden_layers", "n_layer", "n_layers", "num_layers")
_LAYER_BY_LAYER = ("layers_block_type", "layer_types", "hybrid_override_pattern")
"""What each block is, in a list or, a letter a block, in a text: some families count their blocks by it alone."""
_HEADS = (
    "decoder_attention_heads",
    "num_decoder_attention_heads",
    "num_attention_heads",
    "n_head",
    "n_heads",
    "num_heads",
    "attention_heads",
)
_KV_HEADS = ("num_key_value_heads", "num_kv_heads", "n_head_kv")
_HIDDEN_SIZE = ("hidden_size", "n_embd", "d_model")
_FEATURES = ("intermediate_size", "n_inner", "ffn_dim", "decoder_ffn_dim", "ffn_hidden_size")
_EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
_CONTEXT = ("max_position_embeddings", "n_positions", "max_seq_len", "max_sequence_length", "n_ctx", "seq_length")
_TEXT_PARTS = ("text_config", "language_config", "llm_config")
_WITHOUT_ATTENTION = frozenset({"mamba", "mamba2", "falcon_mamba", "rwkv", "xlstm"})
_CAUSAL = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration", "ModelWithLMHead", "GenerationDecoder")


@dataclass(frozen=True)
class ModelFacts:
    """Sizes of a causal language model; None where its config.json does not say."""

    model_type: str
    """The family, as transformers calls it."""
    architecture: str
    """The class that the weights were saved from; empty where config.json names none."""
    layers: int | None
    """Number of blocks."""
    heads: int | None
    """Attention heads (queries) a block; None for a model without attention."""
    kv_heads: int | None
    """Heads of keys and values a block."""
    hidden_size: int | None
    """Width of the residual stream."""
    features: int | None
    """Numbers between the two ends of an MLP; None for a mixture of experts too."""
    vocabulary: int | None
    """Rows of the embedding, reserved ones included."""
    context_length: int | None
    """Most tokens the model takes; None where there is no such limit."""
    sliding_window: int | None
    """How far back the local attention layers see, where there are any."""
    chat_template: bool
    """Whether the tokenizer's files hold one."""
    experts: int | None = None
    """Routed experts of a block, of those blocks that have some; None where all are dense."""


def read_facts(config_path: Path, tokenizer_folder: Path | None = None) -> ModelFacts:
    """The facts of a model from its config.json, and from the tokenizer files next to it or in a folder of their own.

    Raises:
        ModelError: the file is missing, no JSON, lacks model_type, or is not about a causal language model.
    """
    config = read_config(config_path)
    text = _text_part(config)
    heads = None if text.get("model_type") in _WITHOUT_ATTENTION else _read_first_size(text, _HEADS)
    experts = _count_experts(text)
    return ModelFacts(
        model_type=config["model_type"],
        architecture=_architecture(config),
        layers=_read_first_size(text, _LAYERS) or _count_listed_blocks(text),
        heads=heads,
        kv_heads=None if heads is None else _kv_heads(text, heads),
        hidden_size=_read_first_size(text, _HIDDEN_SIZE),
        features=None if experts else _read_first_size(text, _FEATURES),
        vocabulary=_read_first_size(text, ("vocab_size",)) or _read_first_size(config, ("vocab_size",)),
        context_length=_read_first_size(text, _CONTEXT),
        sliding_window=_read_first_size(text, ("sliding_window",)) if text.get("use_sliding_window", True) else None,
        chat_template=has_chat_template(tokenizer_folder or config_path.parent),
        experts=experts,
    )


def read_config(path: Path) -> Config:
    """A config.json that was found to be about a causal language model.

    Raises:
        ModelError: the file is missing, no JSON, lacks model_type, names a size that cannot be built, or is not about
            a causal language model.
    """
    config = _read_json(path)
    if not isinstance(config.get("model_type"), str):
        raise ModelError(
            Mistake(
                "no `model_type`: this is not a model's config.json", "Take the config.json next to the weights.", path
            )
        )
    check_sizes(config, path)
    architecture = _architecture(config)
    if config.get("is_encoder_decoder") is True:
        raise _not_causal_error(path, f"{architecture or config['model_type']} has an encoder and a decoder")
    if architecture and not architecture.endswith(_CAUSAL):
        raise _not_causal_error(path, f"{architecture} is not a causal language model")
    return config


def _read_json(path: Path) -> Config:
    try:
        config = json.loads(read_regular_text(path, CONFIGURATION_BYTES))
    except FileNotFoundError as error:
        raise ModelError(Mistake("there is no such file", "A model's folder holds its config.json.", path)) from error
    except OSError as error:
        raise ModelError(Mistake(f"cannot be read: {error.strerror}", file=path)) from error
    except (ValueError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else None
        raise ModelError(Mistake("this is not JSON", "Download or copy the file again.", path, line)) from error
    if not isinstance(config, dict):
        raise ModelError(Mistake("this is not a model's configuration: it holds no mapping", file=path))
    return config


def _not_causal_error(path: Path, what: str) -> ModelError:
    return ModelError(Mistake(what, "reportgen looks inside causal (decoder-only) language models.", path))


def _architecture(config: Config) -> str:
    named = config.get("architectures")
    return named[0] if isinstance(named, list) and named and isinstance(named[0], str) else ""


def _text_part(config: Config) -> Config:
    """The language model's own part of a vision-language configuration; else all of it."""
    parts = (config[key] for key in _TEXT_PARTS if isinstance(config.get(key), dict))
    return next(parts, config)


def _read_first_size(config: Config, keys: tuple[str, ...]) -> int | None:
    # `true` is an int to Python, and some families give a list with one number a layer.
    values = (config.get(key) for key in keys)
    return next((value for value in values if type(value) is int and value > 0), None)


def _count_listed_blocks(config: Config) -> int | None:
    """Number of blocks where their kinds are listed one by one."""
    values = (config.get(key) for key in _LAYER_BY_LAYER)
    return next((len(value) for value in values if isinstance(value, list | str) and value), None)


def _count_experts(config: Config) -> int | None:
    """Routed experts: HunYuan may list them block by block, DBRX has them in a part of its own."""
    inner = config.get("ffn_config")
    listed = [config[key] for key in _EXPERTS if isinstance(config.get(key), list)]
    counts = [count for of_blocks in listed for count in of_blocks if type(count) is int and count > 0]
    nested = _read_first_size(inner, _EXPERTS) if isinstance(inner, dict) else None
    return _read_first_size(config, _EXPERTS) or nested or max(counts, default=None)


def _kv_heads(config: Config, heads: int) -> int:
    # Falcon's newer decoder ignores multi_query; its older one ignores num_kv_heads.
    if config.get("multi_query") and not config.get("new_decoder_architecture"):
        return 1
    if config.get("multi_query_attention"):
        return _read_first_size(config, ("multi_query_group_num",)) or 1
    inner = config.get("attn_config")
    nested = _read_first_size(inner, ("kv_n_heads",)) if isinstance(inner, dict) else None
    return _read_first_size(config, _KV_HEADS) or nested or heads
