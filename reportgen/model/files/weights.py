"""What a folder's weight files say of themselves, from their headers: whole or not, and how many numbers they hold."""

import json
import math
import re
import struct
from pathlib import Path, PurePosixPath
from typing import Any

from reportgen.documents.regular_file import open_regular, read_regular
from reportgen.errors import Mistake, ModelError

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
LONGEST_HEADER = 100_000_000
"""Bytes; what the safetensors format itself allows."""
ADAPTER = "adapter_config.json"
MAYBE = (SINGLE, INDEX, ADAPTER)
"""Files of a model's folder that decide which others are loaded, whether they are there or not."""
INDEX_BYTES = 100_000_000
"""The most that an index may hold; that of 671 billion parameters in 91,991 tensors is of 9 MB."""
_OF_A_BLOCK = re.compile(r"(^|\.)(layers|h|blocks)\.[0-9]+\.")
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
_OF_A_RANK = re.compile(r"shard-[0-9]{5}-model-[0-9]{5}-of-[0-9]{5}\.safetensors$")
"""What transformers takes for a checkpoint of several processes, and loads before all others."""


def check_weights(folder: Path) -> None:
    """Refuses weights that are missing, incomplete, truncated or pickled.

    Raises:
        ModelError: with the file and what is wrong with it.
    """
    for file in weight_files(folder):
        read_header(file)


def count_parameters(folder: Path) -> int:
    """How many numbers the weight files hold; a tied table counts once, as it is stored."""
    tensors = (tensor for file in weight_files(folder) for tensor in read_header(file).values())
    return sum(math.prod(tensor["shape"]) for tensor in tensors)


def stored_names(folder: Path) -> list[str]:
    """What the weight files call their tensors; a tied one may have but one name there."""
    return sorted(name for file in weight_files(folder) for name in read_header(file))


def stored_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Tensor name -> shape, as the weight files have them."""
    return {name: tuple(tensor["shape"]) for file in weight_files(folder) for name, tensor in read_header(file).items()}


def stored_bytes(folder: Path, bytes_a_number: int | None = None) -> int:
    """Bytes of the weights: as they are stored, or with this many a number."""
    tensors = [tensor for file in weight_files(folder) for tensor in read_header(file).values()]
    if bytes_a_number is not None:
        return sum(int(math.prod(tensor["shape"])) for tensor in tensors) * bytes_a_number
    return sum(int(end) - int(start) for start, end in (tensor["data_offsets"] for tensor in tensors))


def block_bytes(folder: Path) -> int:
    """Bytes of the blocks' weights as they are stored: what a streamed model reads for each pass."""
    tensors = (one for file in weight_files(folder) for one in read_header(file).items())
    offsets = (tensor["data_offsets"] for name, tensor in tensors if _OF_A_BLOCK.search(name))
    return sum(int(end) - int(start) for start, end in offsets)


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files that transformers loads as this model: a single one, else the shards its index names.

    What is counted, hashed and watched is read from this list, and nothing else is ever loaded.

    Raises:
        ModelError: there are none, one that the index names is missing, or others would be loaded in addition.
    """
    _refuse_others(folder)
    if (folder / SINGLE).is_file():
        return [folder / SINGLE]
    if (folder / INDEX).is_file():
        return _shards(folder / INDEX)
    if any(next(folder.glob(pattern), None) for pattern in PICKLES):
        raise ModelError(
            Mistake(
                "the weights are there only as pickle files, which can run code and are never loaded",
                "Convert them if you trust them: model.save_pretrained(FOLDER) writes safetensors.",
                folder,
            )
        )
    raise ModelError(
        Mistake(
            f"no weights: neither {SINGLE} nor {INDEX}",
            "For the architecture alone, write config:FILE with its config.json as the source.",
            folder,
        )
    )


def _refuse_others(folder: Path) -> None:
    """Refuses what transformers loads instead of, or on top of, a model's usual files."""
    if (folder / ADAPTER).is_file():
        raise ModelError(
            Mistake(
                f"a PEFT adapter lies in the model's folder ({ADAPTER}): it is loaded where peft is installed, "
                "and nowhere else",
                "Move it into a folder of its own; the model with it is then the source `BASE + FOLDER`.",
                folder,
            )
        )
    if any(_OF_A_RANK.match(file.name) for file in folder.glob("shard-*.safetensors")):
        raise ModelError(
            Mistake(
                "the weights are parts that the processes of a training run saved; that is not supported yet",
                "Save the model whole: model.save_pretrained(FOLDER).",
                folder,
            )
        )


def _shards(index: Path) -> list[Path]:
    try:
        named = json.loads(read_regular(index, INDEX_BYTES))["weight_map"].values()
        names = sorted({str(PurePosixPath(name)) for name in named})
    except OSError as error:
        raise ModelError(Mistake(f"cannot be read: {error.strerror}", file=index)) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(
            Mistake("this index of weight files cannot be read", "Download the file again.", index)
        ) from error
    outside = [name for name in names if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts]
    if outside:
        what = f"this index names a file outside its folder: {outside[0][:100]!r}"
        raise ModelError(Mistake(what, "Weights must be next to their index.", index))
    missing = [name for name in names if not (index.parent / name).is_file()]
    if missing or not names:
        what = f"{len(missing)} of {len(names)} weight files are missing: {missing[0]!r}" if missing else "no weights"
        more = " …" if len(missing) > 1 else ""
        raise ModelError(Mistake(f"{what}{more}", "Download the model again.", index))
    return [index.parent / name for name in names]


def read_header(file: Path) -> dict[str, Any]:
    """Tensor name -> dtype, shape, data_offsets, once the file's size was found to fit them.

    Raises:
        ModelError: it is no safetensors file, or not a whole one.
    """
    size = file.stat().st_size
    try:
        with open_regular(file) as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            header = json.loads(stream.read(length)) if length <= LONGEST_HEADER else None
        if not isinstance(header, dict):
            raise ValueError("the header is not a mapping")
        tensors = {name: tensor for name, tensor in header.items() if name != "__metadata__"}
        expected = 8 + length + max((tensor["data_offsets"][1] for tensor in tensors.values()), default=0)
    except (struct.error, ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
        raise ModelError(
            Mistake(
                f"this is not a safetensors file, or its beginning is damaged ({size:,} bytes)",
                "Download or copy the file again.",
                file,
            )
        ) from error
    if size != expected:
        what = "truncated" if size < expected else "damaged"
        raise ModelError(
            Mistake(
                f"the weights are {what}: {size:,} bytes instead of {expected:,}",
                "Download or copy the file again.",
                file,
            )
        )
    return tensors
