"""Dictionaries as SAELens stores them: cfg.json, flat until version 5, with a part `metadata` from version 6 on."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reportgen.errors import Mistake
from reportgen.model.sae.config import Config
from reportgen.model.sae.files import Activation, Card, DictionaryError, DictionaryFiles, Layout, Normalise, Note
from reportgen.model.sae.headers import Shapes, read_header
from reportgen.model.sae.hook_names import place_in
from reportgen.model.sae.tensors import check_tensors, refuse_skip

CONFIG = "cfg.json"
WEIGHTS = "sae_weights.safetensors"
SCALER = "activation_scaler.json"
"""Written next to checkpoints of a training with `expected_average_only_in`: what activations are multiplied by."""

_OLD_NAMES = {
    "hook_point": "hook_name",
    "hook_point_head_index": "hook_head_index",
    "activation_fn_str": "activation_fn",
}
_ARCHITECTURES = ("standard", "topk", "batchtopk", "jumprelu", "gated")
_ACTIVATIONS: Mapping[str, Activation] = {
    "standard": "relu",
    "topk": "topk",
    "batchtopk": "jumprelu",
    "jumprelu": "jumprelu",
    "gated": "gated",
}
_NORMALISE: Mapping[str, Normalise] = {
    "none": "none",
    "expected_average_only_in": "none",
    "constant_norm_rescale": "constant norm",
    "layer_norm": "layer norm",
}
_BIASES = {
    "gated": {"gate_bias": "b_gate", "magnitude_bias": "b_mag", "magnitude_scale": "r_mag"},
    "jumprelu": {"encoder_bias": "b_enc", "threshold": "threshold"},
    "batchtopk": {"encoder_bias": "b_enc", "common_threshold": "topk_threshold"},
}
_DTYPES = ("float32", "float16", "bfloat16", "float64")


def describe(folder: Path, name: str) -> DictionaryFiles:
    """A dictionary of SAELens.

    Raises:
        DictionaryError: it is damaged, a transcoder, or a field has a value that is not supported.
    """
    config = _flatten_versions(Config.read(folder / CONFIG))
    architecture = _architecture(config)
    file = folder / WEIGHTS
    shapes, dtypes = read_header(file)
    refuse_skip(shapes, file)
    scale, notes = _scale(config, folder)
    layout = _describe_layout(config, architecture, shapes, file, scale)
    check_tensors(shapes, layout, file)
    card = Card(
        model=config.text("model_name"),
        hook=config.text("hook_name"),
        architecture=architecture,
        stored_dtype=dtypes["W_enc"],
        l0=_read_stated_l0(config),
        context_size=config.count("context_size"),
        prepend_bos=config.flag("prepend_bos", True),
        neuronpedia=config.text("neuronpedia_id") or None,
        notes=(*notes, *_notes(config)),
        metadata=config.part("metadata").values,
    )
    place = place_in(config, "hook_name")
    return DictionaryFiles(folder, file, config.file, "SAELens", place, layout, card, name)


def _flatten_versions(config: Config) -> Config:
    """The fields of every version under their present names, those of `metadata` with the others."""
    renamed = {_OLD_NAMES.get(key, key): value for key, value in config.values.items()}
    return Config(config.file, {**config.part("metadata").values, **renamed})


def _architecture(config: Config) -> str:
    architecture = config.text("architecture", "standard")
    if "transcoder" in architecture or "crosscoder" in architecture:
        raise config.transcoder(f"`architecture: {architecture}`")
    if config.values.get("hook_name_out") not in (None, config.values.get("hook_name")):
        raise config.transcoder(f"it reads {config.text('hook_name')} and writes {config.text('hook_name_out')}")
    config.choice("architecture", _ARCHITECTURES, "standard")
    # Before version 6 a TopK dictionary was a standard one with another activation function.
    function = config.choice("activation_fn", ("relu", "topk"), "topk" if architecture == "topk" else "relu")
    if function == "topk" and architecture not in ("standard", "topk"):
        raise config.refusal("activation_fn", "relu")
    _check_the_rest(config)
    return "topk" if function == "topk" else architecture


def _check_the_rest(config: Config) -> None:
    config.choice("dtype", _DTYPES + tuple(f"torch.{dtype}" for dtype in _DTYPES), "float32")
    if config.values.get("hook_head_index") is not None:
        raise config.refusal("hook_head_index", "null (all heads of a block together)")
    shapes = ("none", "hook_z") if config.text("hook_name").endswith("hook_z") else ("none",)
    config.choice("reshape_activations", shapes, "none")


def _describe_layout(config: Config, architecture: str, shapes: Shapes, file: Path, scale: float) -> Layout:
    width, features = config.count("d_in"), config.count("d_sae")
    if width is None or features is None:
        raise config.refusal("d_in" if width is None else "d_sae", "a whole number of 1 or more")
    tensors = {"encoder": "W_enc", "decoder": "W_dec", "decoder_bias": "b_dec"}
    tensors |= _BIASES.get(architecture, {"encoder_bias": "b_enc"})
    if architecture == "batchtopk" and "topk_threshold" not in shapes:
        # Training checkpoints hold one threshold for all; SAELens' inference models one a feature, as JumpReLU.
        if "threshold" not in shapes:
            raise DictionaryError(
                Mistake(
                    "a BatchTopK dictionary without a threshold: which features fire depends on the other tokens",
                    "Store it with SAELens' save_inference_model, which keeps the threshold.",
                    file,
                )
            )
        tensors = {part: name for part, name in tensors.items() if part != "common_threshold"}
        tensors["threshold"] = "threshold"
    # SAELens once stored a factor for each feature's decoder row, of a finetuning: 1 where there was none.
    if "scaling_factor" in shapes:
        tensors["decoder_scale"] = "scaling_factor"
    elif "finetuning_scaling_factor" in shapes:
        tensors["decoder_scale"] = "finetuning_scaling_factor"
    return Layout(
        _ACTIVATIONS[architecture],
        width,
        features,
        tensors,
        k=_k(config) if architecture == "topk" else None,
        normalise=_NORMALISE[_normalise(config)],
        subtract_decoder_bias=config.flag("apply_b_dec_to_input", True),
        rescale_by_decoder_norm=config.flag("rescale_acts_by_decoder_norm", False)
        and architecture in ("topk", "batchtopk"),
        scale=scale,
    )


def _k(config: Config) -> int:
    k = config.count("k") or config.part("activation_fn_kwargs").count("k")
    if k is None:
        raise config.refusal("k", "a whole number of 1 or more")
    return k


def _normalise(config: Config) -> str:
    value = config.values.get("normalize_activations")
    if isinstance(value, bool):  # an early version's
        return "expected_average_only_in" if value else "none"
    return config.choice("normalize_activations", _NORMALISE, "none")


def _scale(config: Config, folder: Path) -> tuple[float, tuple[Note, ...]]:
    """What rows are multiplied by, and what to say of it."""
    if _normalise(config) != "expected_average_only_in":
        return 1.0, ()
    if not (folder / SCALER).is_file():
        # SAELens does the same: it folds the factor in when a training ends, and leaves the field as it is.
        return 1.0, (Note("scale taken as folded in"),)
    scaler = Config.read(folder / SCALER)
    factor = scaler.number("scaling_factor")
    if factor is not None and factor <= 0:
        raise scaler.refusal("scaling_factor", "a number above 0")
    return factor or 1.0, ()


def _read_stated_l0(config: Config) -> float | None:
    value: Any = next((config.values[key] for key in ("l0", "L0") if key in config.values), None)
    return float(value) if type(value) in (int, float) else None


def _notes(config: Config) -> tuple[Note, ...]:
    notes = []
    if config.part("model_from_pretrained_kwargs").values.get("center_writing_weights"):
        notes.append(Note("centred weights"))
    places = config.values.get("seqpos_slice")
    if isinstance(places, list) and any(place is not None for place in places):
        notes.append(Note("some positions", (("slice", json.dumps(places)[:40]),)))
    return tuple(notes)
