"""Adapters (PEFT) beside the model that they change: which tensors one holds, and whether they fit that model.

Looked at are the settings and the headers of files; nothing is loaded. What only the model itself can tell, which of
its tables are one, and which way a matrix is stored, is looked at when the adapter is merged.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reportgen.documents.problem import describe_value
from reportgen.errors import Mistake, ModelError
from reportgen.model.files.adapter_settings import AdapterSettings, read_settings
from reportgen.model.files.weights import ADAPTER, read_header, stored_shapes

TENSORS = "adapter_model.safetensors"
PICKLE = "adapter_model.bin"
_PREFIX = "base_model.model."
_MATRIX = re.compile(r"(?P<module>.+)\.lora_(?:(?P<side>[AB])\.weight|embedding_(?P<table>[AB]))")
_UNUSED = ".original_module."
"""The base's own tensor beside the one in its place."""
_WRAPPED, _SAVED = ".base_layer.", ".modules_to_save."
"""How peft calls the place of a module that it wraps."""
_FLOATS = frozenset({"F64", "F32", "F16", "BF16"})
_IN_A_BLOCK = re.compile(r"\.\d+\.")

Shape = tuple[int, ...]


@dataclass(frozen=True)
class LowRank:
    """Two matrices whose product changes the weights of a module."""

    module: str
    down: str
    """The name in the file of A (rank x inputs)."""
    up: str
    """The name of B (outputs x rank)."""
    rank: int
    inputs: int
    outputs: int
    table: bool
    """Whether they change a table of embeddings, whose inputs are tokens."""

    @property
    def shapes(self) -> tuple[Shape, Shape]:
        """The shapes that the weights may have: most are stored (outputs x inputs), GPT-2's (inputs x outputs)."""
        stored = (self.outputs, self.inputs)
        return (stored[::-1], stored[::-1]) if self.table else (stored, stored[::-1])


@dataclass(frozen=True)
class Adapter:
    """An adapter whose files look whole and fit its base."""

    folder: Path
    name: str
    """What it is called in titles, behind its base."""
    revision: str | None
    """The commit that a hub id was resolved to."""
    settings: AdapterSettings
    changes: tuple[LowRank, ...]
    replaced: Mapping[str, str] = field(default_factory=dict)
    """Tensor of the model -> the name in the file of what takes its place."""
    vocabulary: int | None = None
    """Rows of its tables of tokens, where they are not as many as the base's."""
    merged_numbers: int = 0
    """How many numbers stand in the weights that are others with it than without."""

    @property
    def file(self) -> Path:
        """Its tensors."""
        return self.folder / TENSORS


def read_adapter(folder: Path, base: Path, *, name: str, revision: str | None = None) -> Adapter:
    """The adapter in a folder, for the model in another.

    Raises:
        ModelError: it is missing, damaged, a pickle, of another kind than LoRA, or not made for this base.
    """
    settings = read_settings(folder)
    file = folder / TENSORS
    if not file.exists():
        raise ModelError(_explain_no_tensors(folder))
    try:
        header = read_header(file)
    except OSError as error:
        raise ModelError(Mistake(f"the adapter cannot be read: {error.strerror}", file=file)) from error
    tensors = _strip_names(header, file)
    changes = tuple(_find_changes(tensors, header, settings, file))
    replaced = _find_replaced(tensors, header)
    if not changes and not replaced:
        raise ModelError(Mistake("this adapter holds no tensors", "Was it saved while it was trained?", file))
    shapes, of_base = {name: _shape(header[key]) for name, key in replaced.items()}, stored_shapes(base)
    _check_base(changes, shapes, of_base, settings, file)
    changed = {f"{one.module}.weight": (one.outputs, one.inputs) for one in changes}
    numbers = sum(math.prod(shape) for shape in (changed | shapes).values())
    return Adapter(folder, name, revision, settings, changes, replaced, _find_vocabulary(shapes, of_base), numbers)


def explain_mismatch(settings: AdapterSettings) -> str:
    """The remedy where an adapter does not fit its base."""
    made_for = f" It says that it was made for {describe_value(settings.base)}." if settings.base else ""
    return f"Name the model that the adapter was made for.{made_for}"


def _explain_no_tensors(folder: Path) -> Mistake:
    if (folder / PICKLE).exists():
        return Mistake(
            "the adapter is there only as a pickle file, which can run code and is never loaded",
            f"Convert it if you trust it: peft's save_pretrained writes {TENSORS}.",
            folder,
        )
    return Mistake(f"the adapter has no tensors: there is no {TENSORS}", "Download or copy it again.", folder)


def _strip_names(header: Mapping[str, Any], file: Path) -> dict[str, str]:
    """Name as the model calls it, with what peft adds at its end -> name in the file."""
    for name, entry in header.items():
        if not name.startswith(_PREFIX):
            told = f"a tensor of an adapter begins with {_PREFIX}, but {describe_value(name)} does not"
            raise ModelError(Mistake(told, "Save it again with peft's save_pretrained.", file))
        if entry["dtype"] not in _FLOATS:
            told = f"{describe_value(name)} is stored as {describe_value(entry['dtype'])}"
            raise ModelError(Mistake(told, "Save the adapter as float32, bfloat16 or float16.", file))
    return {name.removeprefix(_PREFIX): name for name in header if _UNUSED not in name}


def _find_changes(
    tensors: Mapping[str, str], header: Mapping[str, Any], settings: AdapterSettings, file: Path
) -> Iterable[LowRank]:
    """The pairs of matrices, each found to be of the rank that the settings say."""
    found: dict[str, dict[str, tuple[str, bool]]] = {}
    for name, key in tensors.items():
        matrix = _MATRIX.fullmatch(name)
        if matrix is not None:
            side = matrix["side"] or matrix["table"]
            found.setdefault(matrix["module"], {})[side] = (key, matrix["table"] is not None)
        elif ".lora_" in name:
            told = f"{describe_value(name)} is no part of plain LoRA, which alone is merged"
            raise ModelError(Mistake(told, "Was it trained with DoRA, or saved by another program than peft?", file))
    for module, sides in found.items():
        if len(sides) < 2:
            told = f"of the two matrices of {module} only lora_{next(iter(sides))} is there"
            raise ModelError(Mistake(told, "Download or copy the adapter again.", file))
        if told := settings.reason_against(module):
            raise ModelError(Mistake(f"there are matrices for {module}, but {told}", _INCOMPLETE, file))
        (down, table), (up, _) = sides["A"], sides["B"]
        yield _make_change(module, (down, _shape(header[down])), (up, _shape(header[up])), table, settings, file)


_INCOMPLETE = f"Do {ADAPTER} and {TENSORS} belong to one adapter?"


def _make_change(
    module: str, down: tuple[str, Shape], up: tuple[str, Shape], table: bool, settings: AdapterSettings, file: Path
) -> LowRank:
    rank = settings.rank_of(module)
    (down_name, down_shape), (up_name, up_shape) = down, up
    if len(down_shape) != 2 or len(up_shape) != 2:
        told = f"the matrices of {module} are of shapes {list(down_shape)} and {list(up_shape)}: not supported"
        raise ModelError(Mistake(told, "Only linear maps and tables of embeddings are merged.", file))
    if (down_shape[0], up_shape[1]) != (rank, rank):
        told = f"the matrices of {module} have rank {down_shape[0]} and {up_shape[1]}, where {ADAPTER} says rank {rank}"
        raise ModelError(Mistake(told, _INCOMPLETE, file))
    return LowRank(module, down_name, up_name, rank, down_shape[1], up_shape[0], table)


def _find_replaced(tensors: Mapping[str, str], header: Mapping[str, Any]) -> dict[str, str]:
    """Tensor of the model -> name in the file. Where a table is there twice, as it was in memory, both are equal."""
    found: dict[str, str] = {}
    for name, key in tensors.items():
        if _MATRIX.fullmatch(name) is None:
            found.setdefault(name.replace(_WRAPPED, ".").replace(_SAVED, "."), key)
    return found


def _check_base(
    changes: Iterable[LowRank],
    replaced: Mapping[str, Shape],
    base: Mapping[str, Shape],
    settings: AdapterSettings,
    file: Path,
) -> None:
    """Refuses an adapter of another model, as far as the names in the base's files tell.

    Some families call their tensors otherwise in files than in the model: then it is told when they are merged.
    """
    wanted: dict[str, tuple[Shape, ...]] = {name: (shape,) for name, shape in replaced.items()}
    wanted |= {f"{one.module}.weight": one.shapes for one in changes if f"{one.module}.weight" not in replaced}
    alike = any(name in base for name in wanted)
    for name, shapes in wanted.items():
        if name not in base and alike and _IN_A_BLOCK.search(name):
            told = f"the adapter changes {name.removesuffix('.weight')}, which its base does not have"
            raise ModelError(Mistake(told, explain_mismatch(settings), file))
        if name in base and base[name] not in shapes and not _is_resized(name, shapes[0], base[name]):
            told = f"the adapter is for another base: {name} is {list(base[name])} there, and {list(shapes[0])} in it"
            raise ModelError(Mistake(told, explain_mismatch(settings), file))


def _is_resized(name: str, shape: Shape, base: Shape) -> bool:
    """Whether a table of tokens has other rows than the base's, and nothing else differs."""
    return len(shape) == len(base) == 2 and shape[1] == base[1] and not _IN_A_BLOCK.search(name)


def _find_vocabulary(replaced: Mapping[str, Shape], base: Mapping[str, Shape]) -> int | None:
    """Rows of a table of tokens that is larger or smaller than the base's."""
    resized = (shape[0] for name, shape in replaced.items() if name in base and base[name] != shape)
    return next(resized, None)


def _shape(entry: Mapping[str, Any]) -> Shape:
    return tuple(entry["shape"])
