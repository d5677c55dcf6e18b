"""Where numbers come from: hashes of weights, versions of libraries, the machine."""

import hashlib
import json
import platform
import struct
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.metadata import version
from io import FileIO
from pathlib import Path
from typing import Any

from reportgen.cache import cache_folder
from reportgen.model.weights import weight_files

_READ_AT_ONCE = 1 << 22

LIBRARIES = ("lm-reportgen", "torch", "transformers", "tokenizers", "numpy", "scikit-learn", "matplotlib")


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on, without importing any of it."""
    return {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES}


def machine() -> dict[str, str]:
    """What ran it."""
    return {"host": platform.node(), "system": platform.platform(), "processor": platform.machine()}


def weights_sha256(folder: Path) -> str:
    """Hash over sorted (tensor name, dtype, shape, bytes) of a model's safetensors files.

    Remembered by path, size, time and inode of every file: hashing 1 GB takes seconds.
    """
    files = weight_files(folder)
    known = _Remembered(files)
    found = known.read()
    if found is None:
        found = _hash_tensors(files)
        known.write(found)
    return found


def remembered_sha256(folder: Path) -> str | None:
    """The same hash where it is known without reading the weights."""
    return _Remembered(weight_files(folder)).read()


def _hash_tensors(files: list[Path]) -> str:
    digest = hashlib.sha256()
    tensors = sorted((name, file, entry) for file in files for name, entry in _entries(file))
    held = memoryview(bytearray(_READ_AT_ONCE))
    with ExitStack() as stack:
        opened = {file: stack.enter_context(file.open("rb", buffering=0)) for file in files}
        for name, file, entry in tensors:
            start, end = entry["at"]
            digest.update(json.dumps([name, entry["dtype"], entry["shape"]]).encode())
            for part in _read(opened[file], start, end, held):
                digest.update(part)
    return digest.hexdigest()


def _read(file: FileIO, start: int, end: int, held: memoryview) -> Iterator[memoryview]:
    """Some bytes of a file, part by part in the same memory.

    Mapped into memory instead, the weights would count as memory of this process a second time.
    """
    file.seek(start)
    while start < end:
        got = file.readinto(held[: min(end - start, len(held))])
        if not got:
            raise OSError(f"{file.name} ends before its last tensor")
        yield held[:got]
        start += got


def _entries(file: Path) -> list[tuple[str, dict[str, Any]]]:
    """Each tensor of a safetensors file, with the range of its bytes in the file."""
    with file.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        header = json.loads(stream.read(length))
    header.pop("__metadata__", None)
    begin = 8 + length
    return [(name, e | {"at": [begin + o for o in e["data_offsets"]]}) for name, e in header.items()]


class _Remembered:
    """A hash kept in the cache folder, valid while the files are untouched."""

    def __init__(self, files: list[Path]) -> None:
        stats = [(str(file.resolve()), file.stat()) for file in files]
        self._state = [[path, s.st_size, s.st_mtime_ns, s.st_ino] for path, s in stats]
        name = hashlib.sha256(json.dumps([path for path, _ in stats]).encode()).hexdigest()[:24]
        self._file = cache_folder() / "hashes" / f"{name}.json"

    def read(self) -> str | None:
        try:
            content = json.loads(self._file.read_text())
        except (OSError, ValueError):
            return None
        return content["sha256"] if content.get("files") == self._state else None

    def write(self, sha256: str) -> None:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=self._file.parent, delete=False) as stream:
                json.dump({"files": self._state, "sha256": sha256}, stream)
            Path(stream.name).replace(self._file)
        except OSError:
            return  # a cache that cannot be written costs time, not the report
