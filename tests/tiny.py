"""Tiny random causal LMs and a tokenizer, built in code: every parameter random, biases and norm scales too."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

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


_ENDS = {"bos_token_id": 0, "eos_token_id": 1}
_OLD = {"vocab_size": VOCABULARY, "hidden_size": 24, "num_hidden_layers": LAYERS, "num_attention_heads": 4, **_ENDS}
_EXPERTS = {"num_experts_per_tok": 2}


def configurations() -> dict[str, transformers.PretrainedConfig]:
    """A configuration a family; what sets a family apart (softcap, scales, windows, experts) is switched on."""
    t = transformers
    gemma3 = {**_SIZES, "head_dim": 6, "query_pre_attn_scalar": 6, "sliding_window": 8}
    vision = {
        "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": LAYERS, "num_attention_heads": 2,
        "image_size": 28, "patch_size": 14, "vision_use_head": False,
    }  # fmt: skip
    return {
        "llama": t.LlamaConfig(**_SIZES, tie_word_embeddings=False),
        "gemma2": t.Gemma2Config(
            **_SIZES, head_dim=6, query_pre_attn_scalar=6, final_logit_softcapping=3.0, attn_logit_softcapping=5.0
        ),
        "gemma3": t.Gemma3TextConfig(**gemma3),
        "gpt2": t.GPT2Config(vocab_size=VOCABULARY, n_embd=24, n_layer=LAYERS, n_head=4, n_positions=512, **_ENDS),
        "qwen2": t.Qwen2Config(**_SIZES),
        "mistral": t.MistralConfig(**_SIZES, sliding_window=16),
        "gpt_neox": t.GPTNeoXConfig(**_OLD, intermediate_size=40, max_position_embeddings=512),
        "mixtral": t.MixtralConfig(**_SIZES, num_local_experts=4, **_EXPERTS),
        "qwen3": t.Qwen3Config(**_SIZES, head_dim=6),
        "qwen3_moe": t.Qwen3MoeConfig(**_SIZES, head_dim=6, num_experts=4, moe_intermediate_size=16, **_EXPERTS),
        "gemma": t.GemmaConfig(**_SIZES, head_dim=6),
        "gemma3_vision": t.Gemma3Config(text_config=t.Gemma3TextConfig(**gemma3), vision_config=vision),
        "phi3": t.Phi3Config(**_SIZES),
        "olmo2": t.Olmo2Config(**_SIZES),
        "falcon": t.FalconConfig(**_OLD),
        "opt": t.OPTConfig(**_OLD, ffn_dim=40, max_position_embeddings=512, word_embed_proj_dim=24, pad_token_id=1),
        "bloom": t.BloomConfig(vocab_size=VOCABULARY, hidden_size=24, n_layer=LAYERS, n_head=4, **_ENDS),
        "stablelm": t.StableLmConfig(**_SIZES),
        "granite": t.GraniteConfig(**_SIZES, logits_scaling=3.0, residual_multiplier=0.7, embedding_multiplier=2.0),
        "cohere": t.CohereConfig(**_SIZES, logit_scale=0.25),
        "gpt_oss": t.GptOssConfig(
            **_SIZES, head_dim=6, num_local_experts=4, **_EXPERTS, sliding_window=8,
            rope_parameters={"rope_type": "default", "rope_theta": 1e4},
            layer_types=["sliding_attention", "full_attention", "full_attention"],
        ),
        "mamba": t.MambaConfig(
            vocab_size=VOCABULARY, hidden_size=24, num_hidden_layers=LAYERS, **_ENDS, pad_token_id=1
        ),
    }  # fmt: skip


FAMILIES = tuple(configurations())


NEWER = ("NemotronHConfig", "OlmoHybridConfig", "BailingHybridConfig")
"""What the lowest version of transformers that is supported does not have yet."""


class _Configurations:
    """Those of transformers; a newer one that it lacks is None, whatever is asked of it."""

    def __getattr__(self, name: str) -> Any:
        lacks = name in NEWER and not hasattr(transformers, name)
        return (lambda **sizes: None) if lacks else getattr(transformers, name)


def hybrid_configurations() -> dict[str, transformers.PretrainedConfig]:
    """A configuration a family in which only some of four blocks have attention: see `WITH_ATTENTION`."""
    t = _Configurations()
    sizes = {**_SIZES, "num_hidden_layers": 4}
    uncounted = {name: size for name, size in sizes.items() if name != "num_hidden_layers"}
    alternating = {"layer_types": ["linear_attention", "full_attention"] * 2}
    linear = {
        "linear_num_key_heads": 2, "linear_num_value_heads": 2, "linear_key_head_dim": 8, "linear_value_head_dim": 8,
    }  # fmt: skip
    mamba = {
        "mamba_n_heads": 4, "mamba_d_head": 12, "mamba_n_groups": 1, "mamba_d_state": 8, "mamba_d_conv": 4,
        "mamba_expand": 2, "mamba_chunk_size": 8,
    }  # fmt: skip
    made = {
        "jamba": t.JambaConfig(
            **sizes, attn_layer_offset=1, attn_layer_period=2, expert_layer_offset=1, expert_layer_period=2,
            num_experts=4, **_EXPERTS, mamba_d_state=8, mamba_dt_rank=4,
        ),
        "bamba": t.BambaConfig(**sizes, attn_layer_indices=[1, 3], **mamba),
        "nemotron_h": t.NemotronHConfig(
            **uncounted, layers_block_type=["linear_attention", "moe", "full_attention", "mlp"], head_dim=6,
            mamba_num_heads=4, mamba_head_dim=12, n_groups=1, ssm_state_size=8, chunk_size=8, n_routed_experts=4,
            moe_intermediate_size=16, moe_shared_expert_intermediate_size=16, **_EXPERTS,
        ),
        "zamba2": t.Zamba2Config(
            **sizes, layers_block_type=["mamba", "hybrid"] * 2, hybrid_layer_ids=[1, 3], num_mem_blocks=1,
            n_mamba_heads=4, mamba_headdim=12, mamba_d_state=8, mamba_ngroups=1, chunk_size=8, use_mem_rope=True,
        ),
        "granitemoehybrid": t.GraniteMoeHybridConfig(
            **sizes, layer_types=["mamba", "attention"] * 2, num_local_experts=4, **_EXPERTS,
            shared_intermediate_size=16, **mamba,
        ),
        "qwen3_next": t.Qwen3NextConfig(
            **sizes, head_dim=6, num_experts=4, **_EXPERTS, moe_intermediate_size=16,
            shared_expert_intermediate_size=16, **alternating, **linear,
        ),
        "olmo_hybrid": t.OlmoHybridConfig(**sizes, **alternating, **linear),
        "minimax": t.MiniMaxConfig(
            **sizes, head_dim=8, num_local_experts=4, **_EXPERTS, **alternating
        ),
        "bailing_hybrid": t.BailingHybridConfig(
            **{**sizes, "num_key_value_heads": 4}, head_dim=8, q_lora_rank=8, kv_lora_rank=8, qk_nope_head_dim=4,
            qk_rope_head_dim=4, v_head_dim=6, n_routed_experts=4, **_EXPERTS, moe_intermediate_size=16,
            first_k_dense_replace=1, n_group=1, topk_group=1, **alternating,
        ),
    }  # fmt: skip
    return {family: config for family, config in made.items() if config is not None}


WITH_ATTENTION = {family: (2,) if family == "nemotron_h" else (1, 3) for family in hybrid_configurations()}
"""The blocks of each hybrid family that have attention."""


def random_model(
    family: str, seed: int = 0, dtype: torch.dtype = torch.float32, layers: int = LAYERS
) -> torch.nn.Module:
    """A model of a family whose every parameter is random and of a size that matters."""
    torch.manual_seed(seed)
    config = (configurations() | hybrid_configurations())[family]
    if layers != LAYERS:
        config.num_hidden_layers = layers
        if getattr(config, "layer_types", None):
            config.layer_types = [config.layer_types[at % len(config.layer_types)] for at in range(layers)]
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            centre = 1.0 if parameter.ndim == 1 and "gemma" not in family else 0.0  # Gemma multiplies by 1 + w
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


def save_tiny(
    folder: Path,
    family: str = "llama",
    *,
    seed: int = 0,
    bos: bool = True,
    chat_template: str = "",
    layers: int = LAYERS,
) -> Path:
    """A tiny model as a folder that `source:` can name."""
    random_model(family, seed, layers=layers).save_pretrained(folder)
    (folder / "tokenizer.json").write_text(tokenizer_json(bos))
    settings = {"bos_token": "<bos>", "eos_token": "<eos>"}
    if chat_template:
        settings["chat_template"] = chat_template
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder
