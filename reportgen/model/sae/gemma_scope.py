"""Gemma Scope 1 (Lieberum et al. 2024; params.npz) and 2 (config.json and params.safetensors): JumpReLU throughout.

Neither normalises what it reads, nor subtracts the decoder's bias from it.
"""

import re
from pathlib import Path

from reportgen.errors import Mistake
from reportgen.model.sae.config import NO_TRANSCODERS, Config
from reportgen.model.sae.files import Card, DictionaryError, DictionaryFiles, Layout, Note
from reportgen.model.sae.headers import Shapes, read_header
from reportgen.model.sae.hook_names import place_in, place_of
from reportgen.model.sae.tensors import check_tensors, refuse_skip, sizes_of_encoder

NPZ = "params.npz"
SAFETENSORS = "params.safetensors"
CONFIG = "config.json"

_REPOSITORY = re.compile(r"gemma-scope-(\d+b)-(pt|it)-(res|mlp|att|transcoders)")
_LAYER = re.compile(r"layer_(\d{1,4})(?!\d)")
_L0 = re.compile(r"average_l0_(\d+)")
_HOOKS = {"res": "blocks.{}.hook_resid_post", "mlp": "blocks.{}.hook_mlp_out", "att": "blocks.{}.attn.hook_z"}
_PARTS = {"encoder": "w_enc", "decoder": "w_dec", "encoder_bias": "b_enc", "decoder_bias": "b_dec"}


def describe_first(folder: Path, name: str) -> DictionaryFiles:
    """A dictionary of Gemma Scope 1, which says of itself only what its folders are called.

    Raises:
        DictionaryError: the path does not say the layer, or the file is damaged or of another kind.
    """
    file = folder / NPZ
    where = folder.resolve().as_posix()
    layers = _LAYER.findall(where)
    if not layers:
        raise DictionaryError(
            Mistake("its path does not say its layer", "Keep the folders layer_N/width_W/average_l0_X.", file)
        )
    repository = _match_last(_REPOSITORY, where)
    if repository is not None and repository[3] == "transcoders":
        raise DictionaryError(Mistake(NO_TRANSCODERS, file=file))
    shapes, dtypes = read_header(file)
    layout = _describe_layout(shapes, file, upper="W_enc" in shapes)
    hook = _HOOKS[repository[3] if repository else "res"].format(layers[-1])
    l0 = _match_last(_L0, where)
    card = Card(
        model=_model(repository) if repository else "",
        hook=hook,
        architecture="jumprelu",
        stored_dtype=dtypes[layout.tensors["encoder"]],
        l0=float(l0[1]) if l0 else None,
        context_size=1024,
        prepend_bos=True,
        neuronpedia=_neuronpedia(repository, layers[-1], layout.features) if repository else None,
        notes=() if repository else (Note("site assumed", (("hook", hook),)),),
    )
    return DictionaryFiles(folder, file, None, "Gemma Scope", place_of(hook), layout, card, name)


def describe_second(folder: Path, name: str) -> DictionaryFiles:
    """A dictionary of Gemma Scope 2.

    Raises:
        DictionaryError: it is a transcoder, damaged, or of another kind.
    """
    config = Config.read(folder / CONFIG)
    config.choice("architecture", ("jump_relu",))
    kind = config.text("type", "sae")
    hook, written = config.text("hf_hook_point_in"), config.text("hf_hook_point_out")
    if config.flag("affine_connection", False) or "transcoder" in kind or kind in ("clt", "crosscoder"):
        raise config.transcoder(f"`type: {kind}`")
    if written and written != hook:
        raise config.transcoder(f"it reads {hook} and writes {written}")
    config.choice("type", ("sae",), "sae")
    place = place_in(config, "hf_hook_point_in")
    file = folder / SAFETENSORS
    shapes, dtypes = read_header(file)
    layout = _describe_layout(shapes, file, upper=False)
    stated = config.count("width")
    if stated is not None and stated != layout.features:
        raise DictionaryError(
            Mistake(f"{layout.features:,} features, but {CONFIG} says `width: {stated}`", "Download it again.", file)
        )
    card = Card(
        model=config.text("model_name"),
        hook=hook,
        architecture="jump_relu",
        stored_dtype=dtypes["w_enc"],
        l0=config.number("l0"),
        context_size=1024,
        prepend_bos=True,
        metadata=config.values,
    )
    return DictionaryFiles(folder, file, config.file, "Gemma Scope 2", place, layout, card, name)


def _describe_layout(shapes: Shapes, file: Path, *, upper: bool) -> Layout:
    refuse_skip(shapes, file)
    parts = {part: stored.replace("w_", "W_") if upper else stored for part, stored in _PARTS.items()}
    width, features = sizes_of_encoder(shapes, parts["encoder"], file)
    layout = Layout("jumprelu", width, features, {**parts, "threshold": "threshold"})
    check_tensors(shapes, layout, file)
    return layout


def _match_last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    return next(reversed(list(pattern.finditer(text))), None)


def _model(repository: re.Match[str]) -> str:
    return f"gemma-2-{repository[1]}" + ("-it" if repository[2] == "it" else "")


def _neuronpedia(repository: re.Match[str], layer: str, features: int) -> str:
    size = f"{features // 1_000_000}m" if features >= 1_000_000 else f"{features // 1000}k"
    return f"{_model(repository)}/{layer}-gemmascope-{repository[3]}-{size}"
