"""A direction from a file: what was found elsewhere, by another tool or in another run, in the place of two sets.

The file is safetensors, never pickle. Its tensor is one vector (width), which belongs to the one layer that `layers`
names, or a row for each layer from 0, the embedding, to the last (layer x width). One that `linear_probe` found, of its
label number 1 at layer 9, is written so:

    found = reportgen.load("RUN")["PROBE"]["MODEL"].arrays["direction"].sel(item=1, layer=9)
    safetensors.numpy.save_file({"direction": found.values}, "truth.safetensors")

All but the fit to a model is checked while the battery is read. Cost: the tensor is read once for that, and once more
for each model.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from reportgen.documents.beside import PathOption, explain_search, folder_of, is_file, path_of
from reportgen.documents.problem import Problem, describe_value
from reportgen.numerals import count_items
from reportgen.probing.case import Case, Unusable
from reportgen.probing.options import Layers
from reportgen.text.prompts import PromptsError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SUFFIX = ".safetensors"
FLOATS = {"F16": "float16", "F32": "float32", "F64": "float64"}
"""What its numbers may be."""
SMALLEST, LARGEST = 1e-12, 1e12
"""Of a direction's largest number: models compute in float32."""
TOLD = 5
"""Tensors of a file that a mistake lists."""


def _require_safetensors(written: str) -> str:
    if not written.endswith(SUFFIX):  # told as one more of the choices that an option has beside a file
        raise PydanticCustomError("literal_error", "expected {expected}", {"expected": f"'FILE{SUFFIX}'"})
    return written


DirectionPath = Annotated[PathOption, AfterValidator(_require_safetensors)]
"""A file that holds a direction, its path taken from the folder of the battery."""


@dataclass(frozen=True)
class DirectionFile:
    """One tensor of a file, found to be a direction."""

    written: str
    """The path, as the battery has it."""
    tensor: str
    rows: int | None
    """How many layers it has a row for; None for one vector."""
    width: int

    def require_fit(self, case: Case[Any]) -> None:
        """Refuses a model of another width, or with other layers.

        Raises:
            Unusable: says what the file holds, and what this model would need.
        """
        width, layers = case.facts.hidden_size, case.last_layer + 1
        if width is not None and width != self.width:
            raise Unusable(f"{self.written} holds a direction of {self.width} dimensions, and its stream has {width}")
        if self.rows not in (None, layers):
            told = count_items(self.rows or 0, "layer")
            raise Unusable(f"{self.written} has rows for {told}, and it has {layers}, from 0, the embedding, on")

    def read(self, layers: tuple[int, ...]) -> NDArray[np.float64]:
        """(layer x width) its direction at each of some layers."""
        import numpy as np

        held = _read_tensor(path_of(self.written), self.tensor).astype(np.float64)
        found: NDArray[np.float64] = np.stack([held if self.rows is None else held[layer] for layer in layers])
        return found


def find_direction(written: str, tensor: str | None, layers: Layers) -> DirectionFile:
    """The direction that options name.

    Args:
        written: the file.
        tensor: which of its tensors; None where it holds one.
        layers: at which it is asked for.

    Raises:
        PromptsError: says which option is wrong, and what to do: the file is not there, is of another kind, has several
            tensors, or one that is no direction.
    """
    path = path_of(written)
    if not is_file(path):
        remedy = explain_search(written, folder_of(written))
        raise PromptsError(Problem(("direction",), f"there is no file {describe_value(written)}", remedy))
    shapes = _read_shapes(path)
    name = _choose_tensor(path, tensor, shapes)
    shape, kind = shapes[name]
    held = f"the tensor {describe_value(name)} of {path.name}"
    if len(shape) not in (1, 2) or 0 in shape:
        remedy = "One of (width), or of (layer x width) with a row for each layer, is needed."
        raise PromptsError(Problem(("direction",), f"{held} has the shape {list(shape)}", remedy))
    if kind not in FLOATS:
        raise PromptsError(Problem(("direction",), f"{held} holds {kind}", f"Save it as {_list_kinds()}."))
    found = DirectionFile(written, name, shape[0] if len(shape) == 2 else None, shape[-1])
    _check_layers(found, held, layers)
    _check_numbers(found, held, layers)
    return found


def _choose_tensor(path: Path, tensor: str | None, shapes: dict[str, tuple[tuple[int, ...], str]]) -> str:
    names = [describe_value(name) for name in sorted(shapes)]
    told = ", ".join([*names[:TOLD], f"and {len(names) - TOLD} more"] if len(names) > TOLD else names)
    if tensor is None and len(names) == 1:
        return next(iter(shapes))
    if tensor is None:
        message = f"{path.name} holds {count_items(len(names), 'tensor')}" + (f": {told}" if names else "")
        raise PromptsError(Problem(("direction",), message, "Name one of them as tensor." if names else ""))
    if tensor not in shapes:
        raise PromptsError(Problem(("tensor",), f"{path.name} has no {describe_value(tensor)}", f"It holds {told}."))
    return tensor


def _check_layers(found: DirectionFile, held: str, layers: Layers) -> None:
    if found.rows is None and (layers == "all" or len(set(layers)) != 1):
        remedy = "Name the one layer that it is of, such as layers: [9]."
        raise PromptsError(Problem(("layers",), f"{held} is one vector, which belongs to one layer", remedy))


def _check_numbers(found: DirectionFile, held: str, layers: Layers) -> None:
    """Refuses what is not finite anywhere, or has no direction at a layer that is asked for."""
    import numpy as np

    values = np.atleast_2d(_read_tensor(path_of(found.written), found.tensor))
    if not np.isfinite(values).all():
        raise PromptsError(Problem(("direction",), f"{held} holds numbers that are not finite"))
    sizes = np.abs(values).max(axis=1)
    if ((sizes > 0) & ((sizes < SMALLEST) | (sizes > LARGEST))).any():
        told = f"{held} holds a direction whose largest number is beyond {SMALLEST:g} and {LARGEST:g}"
        raise PromptsError(Problem(("direction",), told, "Multiply it by a number: only its direction counts."))
    named = None if found.rows is None or layers == "all" else [at for at in layers if at < len(values)]
    asked = values.any(keepdims=True) if named is None else values[named].any(axis=1)
    if not asked.all():
        raise PromptsError(Problem(("direction",), f"{held} is 0 where it is asked for, which is no direction"))


def _list_kinds() -> str:
    *some, last = FLOATS.values()
    return f"{', '.join(some)} or {last}"


def _read_shapes(path: Path) -> dict[str, tuple[tuple[int, ...], str]]:
    """Tensor name -> its shape, and what its numbers are."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            # An open safetensors file has keys(), but cannot be iterated over itself.
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            return {name: (tuple(one.get_shape()), str(one.get_dtype())) for name, one in slices.items()}
    except (SafetensorError, OSError) as error:
        told = f"{path.name} is not a safetensors file: {error}"
        raise PromptsError(Problem(("direction",), told, "Pickle is never read; safetensors saves tensors.")) from error


def _read_tensor(path: Path, name: str) -> Any:
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        return file.get_tensor(name)
