"""Whether a file holds the tensors that a layout asks for, in their shapes."""

from collections.abc import Mapping
from pathlib import Path

from reportgen.errors import Mistake
from reportgen.model.sae.config import NO_TRANSCODERS
from reportgen.model.sae.files import DictionaryError, Layout
from reportgen.model.sae.headers import Shapes

_SKIPS = ("affine_skip_connection", "W_skip", "w_skip")


def refuse_skip(shapes: Shapes, file: Path) -> None:
    """Refuses a file whose tensors lead past the features.

    Raises:
        DictionaryError: it holds a skip connection.
    """
    skip = next((name for name in _SKIPS if name in shapes), None)
    if skip is not None:
        raise DictionaryError(Mistake(f"{NO_TRANSCODERS}: there is a skip connection {skip!r}", file=file))


def sizes_of_encoder(shapes: Shapes, encoder: str, file: Path) -> tuple[int, int]:
    """(width, features) from the shape of an encoder that is stored (width x feature).

    Raises:
        DictionaryError: there is no such tensor, or it is no matrix.
    """
    if encoder not in shapes:
        raise _missing_error([encoder], shapes, file)
    if len(shapes[encoder]) != 2:
        raise DictionaryError(Mistake(f"{encoder!r} has the shape {shapes[encoder]}, expected a matrix", file=file))
    width, features = shapes[encoder]
    return width, features


def check_tensors(shapes: Shapes, layout: Layout, file: Path) -> None:
    """Looks whether all tensors are there, in their shapes, and no others.

    Raises:
        DictionaryError: naming the file, the tensor, and what was expected.
    """
    expected = {
        layout.tensors[part]: shape for part, shape in _expected_shapes(layout).items() if part in layout.tensors
    }
    missing = [name for name in expected if name not in shapes]
    if missing:
        raise _missing_error(missing, shapes, file)
    for name, shape in expected.items():
        if shapes[name] != shape:
            raise DictionaryError(Mistake(f"{name!r} has the shape {shapes[name]}, expected {shape}", file=file))
    unknown = sorted(set(shapes) - set(expected))
    if unknown:
        raise DictionaryError(
            Mistake(f"a tensor {unknown[0]!r} that this kind of dictionary does not have", _list_names(expected), file)
        )
    if layout.k is not None and layout.k > layout.features:
        raise DictionaryError(Mistake(f"k = {layout.k} exceeds its {layout.features} features", file=file))


def _expected_shapes(layout: Layout) -> Mapping[str, tuple[int, ...]]:
    width, features = layout.width, layout.features
    turned = (features, width) if layout.transposed else (width, features)
    return {
        "encoder": turned,
        "decoder": turned[::-1],
        "encoder_bias": (features,),
        "decoder_bias": (width,),
        "threshold": (features,),
        "common_threshold": (),
        "gate_bias": (features,),
        "magnitude_bias": (features,),
        "magnitude_scale": (features,),
        "decoder_scale": (features,),
    }


def _missing_error(names: list[str], shapes: Shapes, file: Path) -> DictionaryError:
    held = ", ".join(sorted(shapes)[:8]) or "nothing"
    return DictionaryError(Mistake(f"lacks {', '.join(map(repr, names))}", f"It holds: {held}.", file))


def _list_names(expected: Mapping[str, tuple[int, ...]]) -> str:
    return f"Supported: {', '.join(sorted(expected))}."
