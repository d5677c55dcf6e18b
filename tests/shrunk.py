"""Every causal LM class that transformers registers, built tiny from its own configuration.

Sizes are set by the names that configurations give them; a family's own needs stand in one small table.
"""

import json
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import save_file
from transformers import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from tests.tiny import VOCABULARY, tokenizer_json

BLOCKS = 4
KINDS = tuple(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
"""The model types that have a causal LM."""

_SIZES = {
    VOCABULARY: "vocab_size decoder_vocab_size encoder_vocab_size vocab_size_per_layer_input unpadded_vocab_size "
    "encoder_hash_byte_group_vocab",
    32: "hidden_size d_model n_embd emb_dim embedding_dim embedding_size word_embed_proj_dim input_embedding_size "
    "output_embedding_size lru_width attention_hidden_size cross_hidden_size backbone_hidden_size adapter_in_dim "
    "adapter_out_dim adapter_input_size downsample_hidden_size",
    48: "intermediate_size ffn_dim decoder_ffn_dim encoder_ffn_dim n_inner ffn_hidden_size dff dim_ff d_inner "
    "intermediate_size_mlp shared_intermediate_size shared_expert_intermediate_size dense_intermediate_size "
    "shared_experts_intermediate_size feed_forward_size",
    BLOCKS: "num_hidden_layers n_layer n_layers num_layers decoder_layers encoder_layers num_encoder_layers "
    "num_decoder_layers num_blocks num_experts n_routed_experts num_local_experts moe_num_experts mamba_n_heads "
    "mamba_num_heads num_attention_heads n_head n_heads num_heads attention_heads decoder_attention_heads "
    "encoder_attention_heads num_encoder_attention_heads num_decoder_attention_heads swa_num_attention_heads "
    "index_n_heads linear_num_value_heads linear_num_heads n_mamba_heads num_kv_heads layer_group_size "
    "encoder_num_hidden_layers zero_expert_num time_step_rank mamba_dt_rank global_attn_every_n_layers patch_size",
    16: "moe_intermediate_size expert_ffn_hidden_size moe_shared_expert_intermediate_size mamba_d_head "
    "mamba_head_dim router_hidden_size local_attention attention_window_size sliding_window sliding_window_size "
    "window_size qk_head_dim attention_chunk_size local_attn_chunk_length lsh_attn_chunk_length q_lora_rank",
    8: "head_dim qk_rope_head_dim qk_nope_head_dim v_head_dim kv_lora_rank index_head_dim "
    "linear_key_head_dim linear_value_head_dim swa_head_dim mamba_d_state state_size ssm_state_size "
    "chunk_size mamba_chunk_size attention_head_dim attention_head_size kv_channels d_head dim_head linear_head_dim "
    "block_size hidden_size_per_layer_input laurel_rank rotary_dim d_rel query_pre_attn_scalar index_topk "
    "gated_norm_rank",
    2: "num_key_value_heads num_experts_per_tok num_experts_per_token moe_k moe_topk linear_num_key_heads "
    "swa_num_key_value_heads num_kv_shared_layers first_k_dense_replace sliding_window_pattern max_window_layers "
    "_sliding_window_pattern mamba_n_groups n_groups attn_layer_period hidden_size_multiplier",
    1: "n_group topk_group num_expert_group pad_token_id eos_token_id attn_layer_offset",
    0: "bos_token_id sep_token_id decoder_start_token_id",
    512: "max_position_embeddings n_positions n_ctx max_seq_len context_length max_target_positions",
}  # fmt: skip
_SIZE_OF = {name: size for size, names in _SIZES.items() for name in names.split()}

_ROPE = {"rope_type": "default", "rope_theta": 1e4}
_GLOBAL = {"global_head_dim": 8}
_HUNYUAN = {"head_dim": 8, "attention_head_dim": 8, "rope_parameters": _ROPE}
_TURNS = ["conv", "full_attention"] * (BLOCKS // 2)
_SLIDING = {
    "swa_num_attention_heads": 4, "swa_num_key_value_heads": 4, "swa_q_lora_rank": 16, "swa_kv_lora_rank": 8,
    "swa_head_dim": 16, "swa_qk_nope_head_dim": 8, "swa_v_head_dim": 8, "use_dsa": True,
}  # fmt: skip
_INDEXER = {
    "indexer_n_heads": 4, "indexer_kv_heads": 1, "indexer_head_dim": 8, "indexer_budget": 8,
    "indexer_compress_ratio": 2, "hc_lowrank": 8, "ple_embed_dim": 32, "heads_per_ngram": 2,
    "ngram_vocab_size_base": 50, "split_ngram_parts": 1, "make_ngram_vocab_size_divisible_by": 8,
}  # fmt: skip
_SMALL_SIGHT = {
    "vision_config": {
        "image_size": 32,
        "patch_size": 16,
        "mlp_dim": 48,
        "output_channels": 16,
        "global_attn_indexes": [1],
    },
}  # fmt: skip
_OWN: dict[str, dict[str, Any]] = {
    "bamba": {"attn_layer_indices": [1, 3]},
    "cohere_compass_text": {"rope_parameters": {"full_attention": _ROPE, "sliding_attention": _ROPE}},
    "dbrx": {"attn_config": {"rope_theta": 1e4, "clip_qkv": 8.0}},
    "deepseek_v2": {"num_experts_per_tok": 2},
    "deepseek_v4": {"o_groups": 2, "o_lora_rank": 8},
    "dots1": {"n_routed_experts": BLOCKS, "n_shared_experts": 1, "num_experts_per_tok": 2, "first_k_dense_replace": 1},
    "dots3_note": {"text_config": _SLIDING},
    "dots3_note_text": _SLIDING,
    "falcon_h1": {"mamba_d_ssm": 64, "lm_head_multiplier": 0.5, "embedding_multiplier": 2.0},
    "gemma4": {"text_config": _GLOBAL},
    "gemma4_text": _GLOBAL,
    "gemma4_unified": {"text_config": _GLOBAL},
    "gemma4_unified_text": _GLOBAL,
    "got_ocr2": _SMALL_SIGHT,
    "granitemoehybrid": {"layer_types": ["mamba", "attention"] * (BLOCKS // 2)},
    "hunyuan_v1_dense": _HUNYUAN,
    "hunyuan_v1_moe": _HUNYUAN,
    "lfm2_moe": {"layer_types": _TURNS},
    "mamba2": {"head_dim": 16},
    "ministral": {"head_dim": 8},
    "nemotron": {"num_key_value_heads": 2, "head_dim": 8},
    "phi4_multimodal": {
        "audio_config": {"ext_pw_out_channel": 32, "depthwise_separable_out_channel": 32, "nemo_conv_channels": 32},
    },
    "qwen4_exp": {"text_config": _INDEXER},
    "qwen4_exp_text": _INDEXER,
    "reformer": {
        "is_decoder": True, "axial_pos_shape": [16, 32], "axial_pos_embds_dim": [16, 16],
        "attn_layers": ["local", "lsh"] * (BLOCKS // 2), "num_buckets": 4,
    },
    "roc_bert": {
        "shape_embed_dim": 16, "shape_vocab_size": 50, "pronunciation_embed_dim": 16, "pronunciation_vocab_size": 50,
    },
    "xlstm": {"hidden_size": 64, "embedding_dim": 64, "chunk_size": 16, "qk_dim_factor": 1.0},
    "xmod": {"default_language": "en_XX"},
    "zamba": {"attention_head_dim": 16, "attention_hidden_size": 64, "num_key_value_heads": 4},
    "zamba2": {
        "num_key_value_heads": 4, "attention_head_dim": 16, "attention_hidden_size": 64, "mamba_headdim": 16,
        "num_mem_blocks": 1, "hybrid_layer_ids": [1, 3], "layers_block_type": ["mamba", "hybrid"] * 2,
    },
    "zaya": {"num_experts_per_tok": 1},
}  # fmt: skip
"""Model type -> what it needs beside, or instead."""


_FIRST: dict[str, dict[str, Any]] = {
    "gemma4_assistant": {"text_config": {"hidden_size_per_layer_input": 0, "vocab_size_per_layer_input": 0}},
}
"""Model type -> what its configuration cannot do without, whatever its sizes."""


def shrunk_config(kind: str) -> Any:
    """A small configuration of a model type."""
    return _shrunk(CONFIG_MAPPING[kind](**_FIRST.get(kind, {})), _OWN.get(kind, {}))


def _shrunk(default: Any, own: dict[str, Any]) -> Any:
    wanted: dict[str, Any] = {}
    many = getattr(default, "num_hidden_layers", None)
    for name, value in vars(default).items():
        if isinstance(value, transformers.PretrainedConfig):
            wanted[name] = _shrunk(value, own.get(name, {}))
        elif isinstance(value, list) and value and len(value) == many:
            wanted[name] = _few(value, _SIZE_OF.get(name))
        elif type(value) is int and name in _SIZE_OF:
            wanted[name] = _SIZE_OF[name]
        elif name == "eos_token_id" and isinstance(value, list):
            wanted[name] = 1
    if "kv_lora_rank" in wanted:  # keys and values of every head come out of one small vector
        wanted["num_key_value_heads"] = BLOCKS
    if getattr(default, "is_decoder", None) is False:  # BERT's kin look both ways unless they are told not to
        wanted["is_decoder"] = True
    wanted |= {name: 0 for name in _SIZE_OF if vars(default).get(name) == 0}
    parts = {name for name, value in wanted.items() if isinstance(value, transformers.PretrainedConfig)}
    return type(default)(**{**wanted, **{name: value for name, value in own.items() if name not in parts}})


def _few(each_block: list[Any], size: int | None) -> list[Any]:
    """What a shorter model has in its blocks: each kind there is, in turn."""
    if size is not None:
        return [size] * BLOCKS
    if not isinstance(each_block[0], str):
        return each_block[:BLOCKS]
    kinds = list(dict.fromkeys(each_block))
    return [kinds[at % len(kinds)] for at in range(BLOCKS)]


def shrunk_model(kind: str, seed: int = 0) -> Any:
    """A small model of a type: every parameter random, and of a size that matters."""
    torch.manual_seed(seed)
    config = shrunk_config(kind)
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            centre = 1.0 if parameter.ndim == 1 else 0.0
            parameter.copy_(centre + 0.2 * torch.randn(parameter.shape, generator=generator))
        for name, buffer in model.named_buffers():
            if "scalar" in name:  # Gemma 4 multiplies by it what leaves a block
                buffer.fill_(0.8)
    model.tie_weights()
    return model.eval()


def save_config_alone(folder: Path, kind: str) -> Path:
    """What a folder of such a model says of itself, with weights of nothing: where none can be built."""
    folder.mkdir(parents=True)
    said = {"model_type": kind, "architectures": [MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[kind]]}
    (folder / "config.json").write_text(json.dumps(said))
    save_file({"nothing": torch.zeros(1)}, folder / "model.safetensors")
    return save_tokenizer(folder)


def save_shrunk(folder: Path, kind: str, seed: int = 0) -> Path:
    """Such a model as a folder that `source:` can name."""
    shrunk_model(kind, seed).save_pretrained(folder)
    return save_tokenizer(folder)


def save_tokenizer(folder: Path) -> Path:
    """Puts the tiny tokenizer beside weights."""
    (folder / "tokenizer.json").write_text(tokenizer_json())
    (folder / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<bos>", "eos_token": "<eos>"}))
    return folder
