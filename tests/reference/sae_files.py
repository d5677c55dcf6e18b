"""Random dictionaries written as each program writes its own, and the fields of their configurations."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

WIDTH, FEATURES = 32, 96
LLAMA_NORM = 3.0
"""Mean norm of the activations that the Llama Scope dictionary was made for."""


@dataclass(frozen=True)
class Made:
    """A dictionary to write: `name` is its folder."""

    name: str
    form: str
    fields: dict = field(default_factory=dict)
    """Of cfg.json, beside the usual ones."""
    dtype: torch.dtype = torch.float32
    flat: bool = False
    """cfg.json as before version 6."""


SAELENS = [
    Made("standard", "saelens", {"architecture": "standard", "apply_b_dec_to_input": False}),
    Made("bias", "saelens", {"architecture": "standard", "apply_b_dec_to_input": True}),
    Made("flat", "saelens", {"sae_lens_version": "5.11.0", "activation_fn": "relu"}, flat=True),
    Made("flat_topk", "saelens", {"activation_fn_str": "topk", "activation_fn_kwargs": {"k": 7}}, flat=True),
    Made("topk", "saelens", {"architecture": "topk", "k": 9}),
    Made("topk_rescaled", "saelens", {"architecture": "topk", "k": 9, "rescale_acts_by_decoder_norm": True}),
    Made("jumprelu", "saelens", {"architecture": "jumprelu", "apply_b_dec_to_input": False}),
    Made("half", "saelens", {"architecture": "jumprelu", "dtype": "float16"}, dtype=torch.float16),
    Made("bfloat16", "saelens", {"architecture": "jumprelu", "dtype": "bfloat16"}, dtype=torch.bfloat16),
    Made("gated", "saelens", {"architecture": "gated"}),
    Made("constant_norm", "saelens", {"architecture": "jumprelu", "normalize_activations": "constant_norm_rescale"}),
    Made("layer_norm", "saelens", {"architecture": "gated", "normalize_activations": "layer_norm"}),
    Made("folded", "saelens", {"architecture": "standard", "normalize_activations": "expected_average_only_in"}),
    Made(
        "heads",
        "saelens",
        {"architecture": "standard", "reshape_activations": "hook_z", "hook_name": "blocks.1.attn.hook_z"},
    ),
]
OTHERS = [
    Made("google/gemma-scope-2b-pt-res/layer_2/width_16k/average_l0_42", "gemma_scope"),
    Made("google/gemma-scope-2-270m-pt/resid_post/layer_2_width_16k_l0_small", "gemma_scope_2"),
    Made("fnlp/Llama3_1-8B-Base-LXR-8x/Llama3_1-8B-Base-L2R-8x", "llama_scope", dtype=torch.bfloat16),
]
ALL = [*SAELENS, *OTHERS]


def rows(count=150, seed=3):
    """(row x width) float32 vectors with a mean and unequal norms."""
    made = torch.Generator().manual_seed(seed)
    sizes = torch.rand(count, 1, generator=made) * 2 + 0.2
    return (torch.randn(count, WIDTH, generator=made) + 0.5) * sizes


def tensors(architecture="jumprelu", seed=0):
    """SAELens' names -> random float32 tensors; decoder rows of unequal norms."""
    made = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=made)

    held = {
        "W_enc": draw(WIDTH, FEATURES) * 0.3,
        "W_dec": draw(FEATURES, WIDTH) * 0.3,
        "b_dec": draw(WIDTH) * 0.2,
    }
    if architecture == "gated":
        return held | {"r_mag": draw(FEATURES) * 0.2, "b_gate": draw(FEATURES) * 0.3, "b_mag": draw(FEATURES) * 0.3}
    held["b_enc"] = draw(FEATURES) * 0.3
    if architecture == "jumprelu":
        held["threshold"] = torch.rand(FEATURES, generator=made)
    return held


def write(root: Path, made: Made) -> Path:
    """Writes one below `root`; its folder."""
    folder = root / made.name
    folder.mkdir(parents=True)
    {
        "saelens": _saelens,
        "gemma_scope": _gemma_scope,
        "gemma_scope_2": _gemma_scope_2,
        "llama_scope": _llama_scope,
    }[made.form](folder, made)
    return folder


def configuration(made: Made) -> dict:
    """The cfg.json of a SAELens dictionary."""
    of_model = {
        "model_name": "tiny",
        "hook_name": "blocks.2.hook_resid_pre",
        "hook_head_index": None,
        "context_size": 64,
        "prepend_bos": True,
    }
    sizes = {"d_in": WIDTH, "d_sae": FEATURES, "dtype": "float32", "device": "cpu", "normalize_activations": "none"}
    if made.flat:
        return {**sizes, **of_model, "hook_layer": 2, **made.fields}
    fields = {key: value for key, value in made.fields.items() if key != "hook_name"}
    told = {key: made.fields[key] for key in ("hook_name",) if key in made.fields}
    return {**sizes, **fields, "metadata": {"sae_lens_version": "6.54.12", **of_model, **told}}


def _saelens(folder, made):
    fields = configuration(made)
    (folder / "cfg.json").write_text(json.dumps(fields))
    held = tensors(fields.get("architecture", "standard"))
    save_file(_as(held, made.dtype), folder / "sae_weights.safetensors")


def _gemma_scope(folder, made):
    np.savez(folder / "params.npz", **{name: tensor.numpy() for name, tensor in tensors().items()})


def _gemma_scope_2(folder, made):
    fields = {
        "hf_hook_point_in": "model.layers.2.output",
        "hf_hook_point_out": "model.layers.2.output",
        "width": FEATURES,
        "model_name": "google/gemma-3-270m-pt",
        "architecture": "jump_relu",
        "l0": 20,
        "affine_connection": False,
        "type": "sae",
    }
    (folder / "config.json").write_text(json.dumps({**fields, **made.fields}))
    save_file({name.lower(): tensor for name, tensor in tensors().items()}, folder / "params.safetensors")


def _llama_scope(folder, made):
    fields = {
        "hook_point_in": "blocks.2.hook_resid_post",
        "hook_point_out": "blocks.2.hook_resid_post",
        "d_model": WIDTH,
        "d_sae": FEATURES,
        "expansion_factor": FEATURES // WIDTH,
        "act_fn": "jumprelu",
        "jump_relu_threshold": 0.3125,
        "norm_activation": "dataset-wise",
        "dataset_average_activation_norm": {"in": LLAMA_NORM, "out": LLAMA_NORM},
        "use_decoder_bias": True,
        "apply_decoder_bias_to_pre_encoder": False,
        "sparsity_include_decoder_norm": True,
        "top_k": 50,
    }
    (folder / "hyperparams.json").write_text(json.dumps({**fields, **made.fields}))
    (folder / "checkpoints").mkdir()
    held = tensors()
    unit = held["W_dec"] / held["W_dec"].norm(dim=1, keepdim=True)
    stored = {
        "encoder.weight": held["W_enc"].T,
        "encoder.bias": held["b_enc"],
        "decoder.weight": unit.T,
        "decoder.bias": held["b_dec"],
    }
    save_file(_as(stored, made.dtype), folder / "checkpoints" / "final.safetensors")


def _as(held, dtype):
    return {name: tensor.to(dtype).contiguous() for name, tensor in held.items()}
