"""Which model it was: a hash over its weights, taken by reading them and remembered while they are untouched."""

import hashlib
import json
import re
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from io import FileIO
from pathlib import Path
from typing import Any

from reportgen.cache import HASHES, Shelf, key_of
from reportgen.documents.regular_file import CONFIGURATION_BYTES, read_regular
from reportgen.documents.watched import WatchedFiles
from reportgen.errors import Mistake, ModelError
from reportgen.model.files.adapters import Adapter
from reportgen.model.files.weights import ADAPTER, weight_files

_SHA256 = re.compile("[0-9a-f]{64}")
_READ_AT_ONCE = 1 << 22


def weights_sha256(folder: Path, adapter: Adapter | None = None) -> str:
    """Hash over sorted (tensor name, dtype, shape, bytes) of a model's safetensors files.

    Remembered by path, size, times and inode of every file: hashing 1 GB takes seconds. With an adapter it is the hash
    over three others: this one of the base, the same over the adapter's tensors, and that of the bytes of its
    adapter_config.json. The weights that are computed from them are not hashed: they would be others by the last bit on
    another machine.

    Raises:
        ModelError: there are no weights, or they changed while they were read.
    """
    base = _hash_files(weight_files(folder))
    return base if adapter is None else _join_hashes(base, _hash_files([adapter.file]), adapter)


def recall_sha256(folder: Path, adapter: Adapter | None = None) -> str | None:
    """The same hash where it is known without reading the weights."""
    base = _HashMemory(weight_files(folder)).read()
    if adapter is None or base is None:
        return base
    tensors = _HashMemory([adapter.file]).read()
    return None if tensors is None else _join_hashes(base, tensors, adapter)


def _join_hashes(base: str, tensors: str, adapter: Adapter) -> str:
    settings = hashlib.sha256(read_regular(adapter.folder / ADAPTER, CONFIGURATION_BYTES)).hexdigest()
    return hashlib.sha256(json.dumps(["base + adapter", base, tensors, settings]).encode()).hexdigest()


def _hash_files(files: list[Path]) -> str:
    known = _HashMemory(files)
    found = known.read()
    if found is None:
        found = _hash_tensors(files)
        known.write(found)
    return found


def _hash_tensors(files: list[Path]) -> str:
    digest = hashlib.sha256()
    tensors = sorted((name, file, entry) for file in files for name, entry in _entries(file))
    held = memoryview(bytearray(_READ_AT_ONCE))
    with ExitStack() as stack:
        opened = {file: stack.enter_context(file.open("rb", buffering=0)) for file in files}
        for name, file, entry in tensors:
            start, end = entry["at"]
            digest.update(json.dumps([name, entry["dtype"], entry["shape"]]).encode())
            for part in _read_range(opened[file], start, end, held):
                digest.update(part)
    return digest.hexdigest()


def _read_range(file: FileIO, start: int, end: int, held: memoryview) -> Iterator[memoryview]:
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


class _HashMemory:
    """A hash kept in the cache, valid while the files are untouched."""

    _shelf = Shelf(HASHES)

    def __init__(self, files: list[Path]) -> None:
        self._watched = WatchedFiles.begin(file.resolve() for file in files)
        self._key = key_of("weights", *(str(file) for file, _ in self._watched.states))

    def read(self) -> str | None:
        kept = self._shelf.read(self._key)
        state, _, sha256 = (kept or b"").decode(errors="replace").partition("\n")
        return sha256 if state == self._state() and _SHA256.fullmatch(sha256) else None

    def write(self, sha256: str) -> None:
        """Keeps the hash, unless the files changed while it was taken.

        Raises:
            ModelError: they did.
        """
        refuse_changed(self._watched)
        self._shelf.write(self._key, f"{self._state()}\n{sha256}".encode())

    def _state(self) -> str:
        return json.dumps([state for _, state in self._watched.states])


def refuse_changed(watched: WatchedFiles) -> None:
    """Refuses a model that is no longer what it was when it was first looked at.

    Raises:
        ModelError: one of its files was written, exchanged, added or taken away.
    """
    if changed := watched.list_changed():
        names = ", ".join(dict.fromkeys(file.name for file in changed))
        raise ModelError(
            Mistake(
                f"the model changed while it was read: {names}",
                "Run it again once nothing writes to its folder; what was read of it is not kept.",
            )
        )
