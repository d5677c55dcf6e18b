"""Names, shapes and dtypes of a file's tensors, from its header alone; .safetensors and .npz, never pickle."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import numpy as np

from reportgen.errors import Mistake
from reportgen.model.sae.files import DictionaryError

_AGAIN = "Download or copy the file again."
_DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}

Shapes = Mapping[str, tuple[int, ...]]


def read_header(file: Path) -> tuple[Shapes, Mapping[str, str]]:
    """Tensor name -> shape, and tensor name -> dtype.

    Raises:
        DictionaryError: the file is missing, truncated, no such file, or holds pickled objects.
    """
    if not file.is_file():
        raise DictionaryError(Mistake("there is no such file", "Is the dictionary's download complete?", file))
    return _read_npz(file) if file.suffix == ".npz" else _read_safetensors(file)


def _read_safetensors(file: Path) -> tuple[Shapes, Mapping[str, str]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as opened:
            # An open safetensors file has keys(), but cannot be iterated over itself.
            slices = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118
            shapes = {name: tuple(part.get_shape()) for name, part in slices.items()}
            dtypes = {name: _DTYPES.get(part.get_dtype(), part.get_dtype()) for name, part in slices.items()}
    except (SafetensorError, OSError) as error:
        size = file.stat().st_size
        raise DictionaryError(
            Mistake(f"this safetensors file is incomplete ({size:,} bytes): {error}", _AGAIN, file)
        ) from error
    return shapes, dtypes


def _read_npz(file: Path) -> tuple[Shapes, Mapping[str, str]]:
    shapes, dtypes = {}, {}
    try:
        with zipfile.ZipFile(file) as archive:
            for member in archive.namelist():
                with archive.open(member) as stream:
                    shape, dtype = _read_npy(stream)
                name = member.removesuffix(".npy")
                shapes[name], dtypes[name] = shape, dtype.name
                if dtype.hasobject:
                    raise DictionaryError(
                        Mistake(
                            f"{name!r} holds pickled Python objects, which can run code and are never loaded",
                            "Store the arrays as plain float32.",
                            file,
                        )
                    )
    # zipfile raises NotImplementedError for a compression that it does not know.
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, NotImplementedError) as error:
        size = file.stat().st_size
        raise DictionaryError(
            Mistake(f"this .npz file is incomplete ({size:,} bytes): {error}", _AGAIN, file)
        ) from error
    return shapes, dtypes


def _read_npy(stream: IO[bytes]) -> tuple[tuple[int, ...], "np.dtype[np.generic]"]:
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(stream)
    return shape, dtype
