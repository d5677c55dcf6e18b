"""Llama Scope (He et al. 2024): hyperparams.json and checkpoints/final.safetensors, encoder and decoder transposed.

What is read is multiplied by s = sqrt(width) / the data set's mean norm, and the result divided by it. The threshold
that the file names counts in units of the activations as they are, so that it is multiplied by s too.
"""

import math
from pathlib import Path

from reportgen.model.sae.config import Config
from reportgen.model.sae.files import Activation, Card, DictionaryFiles, Layout
from reportgen.model.sae.headers import read_header
from reportgen.model.sae.hook_names import place_in
from reportgen.model.sae.tensors import check_tensors, refuse_skip

CONFIG = "hyperparams.json"
WEIGHTS = "checkpoints/final.safetensors"

_TENSORS = {"encoder": "encoder.weight", "encoder_bias": "encoder.bias", "decoder": "decoder.weight"}


def describe(folder: Path, name: str) -> DictionaryFiles:
    """A dictionary of Llama Scope.

    Raises:
        DictionaryError: it is damaged, a transcoder, or a field has a value that is not supported.
    """
    config = Config.read(folder / CONFIG)
    hook, written = config.text("hook_point_in"), config.text("hook_point_out")
    if written and written != hook:
        raise config.transcoder(f"it reads {hook} and writes {written}")
    config.choice("sae_type", ("sae",), "sae")
    if config.flag("use_glu_encoder", False):
        raise config.refusal("use_glu_encoder", "false")
    place = place_in(config, "hook_point_in")
    file = folder / WEIGHTS
    shapes, dtypes = read_header(file)
    refuse_skip(shapes, file)
    layout = _describe_layout(config)
    check_tensors(shapes, layout, file)
    card = Card(
        model=config.text("model_name", "Llama-3.1-8B" if "Llama3_1-8B-Base" in file.as_posix() else ""),
        hook=hook,
        architecture=config.text("act_fn"),
        stored_dtype=dtypes["encoder.weight"],
        context_size=1024,
        prepend_bos=True,
        metadata=config.values,
    )
    return DictionaryFiles(folder, file, config.file, "Llama Scope", place, layout, card, name)


def _describe_layout(config: Config) -> Layout:
    width = config.count("d_model")
    if width is None:
        raise config.refusal("d_model", "a whole number of 1 or more")
    times = config.count("expansion_factor")
    features = config.count("d_sae") or (width * times if times else None)
    if features is None:
        raise config.refusal("d_sae", "a whole number of 1 or more")
    scale = _scale(config, width)
    bias = config.flag("use_decoder_bias", True)
    activation, threshold, k = _activation(config)
    return Layout(
        activation,
        width,
        features,
        {**_TENSORS, **({"decoder_bias": "decoder.bias"} if bias else {})},
        transposed=True,
        k=k,
        threshold=None if threshold is None else threshold * scale,
        subtract_decoder_bias=config.flag("apply_decoder_bias_to_pre_encoder", False) and bias,
        unit_decoder=config.flag("sparsity_include_decoder_norm", True),
        scale=scale,
    )


def _activation(config: Config) -> tuple[Activation, float | None, int | None]:
    """What fires: the activation, its threshold, its k."""
    function = config.choice("act_fn", ("jumprelu", "topk", "relu"))
    threshold = config.number("jump_relu_threshold")
    if function == "jumprelu" and threshold is None:
        raise config.refusal("jump_relu_threshold", "a number")
    if function == "topk" and not threshold:
        k = config.count("top_k")
        if k is None:
            raise config.refusal("top_k", "a whole number of 1 or more")
        return "topk", None, k
    # A TopK dictionary with a threshold is read as JumpReLU: what its authors do when they load it.
    return ("relu", None, None) if function == "relu" else ("jumprelu", threshold, None)


def _scale(config: Config, width: int) -> float:
    if config.choice("norm_activation", ("dataset-wise", "inference"), "dataset-wise") == "inference":
        return 1.0  # folded in already
    norms = config.part("dataset_average_activation_norm")
    norm, after = norms.number("in"), norms.number("out")
    if norm is None or norm <= 0:
        raise norms.refusal("in", "a mean norm above 0, in dataset_average_activation_norm")
    if after is not None and after != norm:
        raise norms.refusal("out", f"the same as `in`, {norm}")
    return math.sqrt(width) / norm
