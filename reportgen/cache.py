"""What can be made again, kept in the user's cache: each file under a key that names all it depends on."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import platformdirs

RESULTS, DRAWINGS, PAGES, FONTS, HASHES, TOKENS = "results", "drawings", "pages", "fonts", "hashes", "tokens"
SHELVES = (RESULTS, DRAWINGS, PAGES, TOKENS)
"""What is dropped, the longest unused first, where it grows beyond the limit; models, fonts and hashes are not."""
LIMIT_GB = 4.0
_WRITING = ".writing-"
"""What the name of a file begins with until it is whole."""
DIGEST = hashlib.sha256().digest_size
"""Bytes before the content of a file, by which it is known to be whole, and to be what was kept under its name."""


def cache_folder() -> Path:
    """Where reportgen keeps what it can make again: REPORTGEN_CACHE, else the user's cache directory."""
    chosen = os.environ.get("REPORTGEN_CACHE")
    return Path(chosen).expanduser().absolute() if chosen else platformdirs.user_cache_path("reportgen")


def key_of(*parts: str | bytes) -> str:
    """A key from everything that a file depends on; no two lists of parts share one."""
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()


@dataclass(frozen=True)
class Shelf:
    """Files by key in one folder of the cache. A file appears whole or not at all, and is read only if it still is,
    under the key and on the shelf where it was kept: content is trusted, not the place where it lies. A cache that
    cannot be read or written costs time, nothing else.
    """

    name: str
    used: bool = True
    """False: nothing is read and nothing kept."""

    @property
    def folder(self) -> Path:
        """Where its files lie."""
        return cache_folder() / self.name

    def read(self, key: str) -> bytes | None:
        """What was kept under a key; None where nothing was, or where it was damaged or exchanged since."""
        if not self.used:
            return None
        file = self._file(key)
        try:
            kept = file.read_bytes()
        except OSError:
            return None
        with suppress(OSError):  # a cache that may only be read is read all the same
            os.utime(file)  # for whoever makes room: it was used now
        digest, content = kept[:DIGEST], kept[DIGEST:]
        return content if self._seal(key, content) == digest else None

    def write(self, key: str, content: bytes) -> None:
        """Keeps content under a key."""
        if not self.used:
            return
        file = self._file(key)
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=_WRITING)
            try:
                with os.fdopen(handle, "wb") as stream:
                    stream.write(self._seal(key, content))
                    stream.write(content)
                Path(temporary).replace(file)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise

    def drop(self, key: str) -> None:
        """Keeps no longer what is under a key."""
        if self.used:
            with suppress(OSError):
                self._file(key).unlink()

    def holds(self, key: str) -> bool:
        """Whether something is kept under a key, whole or not."""
        return self.used and self._file(key).is_file()

    def files(self) -> list[Path]:
        """Everything that is kept; what a killed process had not finished is not."""
        return [file for file, _ in _files([self.folder]) if not file.name.startswith(_WRITING)]

    def _seal(self, key: str, content: bytes) -> bytes:
        """What binds content to its key and its shelf."""
        sealed = hashlib.sha256(key_of(self.name, key).encode())
        sealed.update(content)
        return sealed.digest()

    def _file(self, key: str) -> Path:
        return self.folder / key[:2] / key


@dataclass(frozen=True)
class Holding:
    """What one part of the cache comes to."""

    files: int
    bytes: int


def measure_holding(folder: Path) -> Holding:
    """Files below a folder, and their bytes."""
    sizes = [status.st_size for _, status in _files([folder])]
    return Holding(len(sizes), sum(sizes))


def make_room(limit: float | None = None) -> None:
    """Drops what was unused for longest until the shelves hold `limit` bytes at most.

    Without a limit, REPORTGEN_CACHE_GB says it, else `LIMIT_GB`.
    """
    most = _limit() if limit is None else limit
    files = sorted(_files([cache_folder() / name for name in SHELVES]), key=lambda known: known[1].st_mtime_ns)
    held = sum(status.st_size for _, status in files)
    for file, status in files:
        if held <= most:
            return
        with suppress(OSError):
            file.unlink()
            held -= status.st_size


def _limit() -> float:
    try:
        return float(os.environ["REPORTGEN_CACHE_GB"]) * 1e9
    except (KeyError, ValueError):
        return LIMIT_GB * 1e9


def _files(folders: Iterable[Path]) -> Iterator[tuple[Path, os.stat_result]]:
    for folder in folders:
        for place, _, names in os.walk(folder):
            for name in names:
                file = Path(place) / name
                # Another process may have made room meanwhile.
                with suppress(OSError):
                    yield file, file.lstat()


@dataclass(frozen=True)
class UnfinishedWork:
    """Work that a probe may go on with after it was interrupted, kept under the same things as its outcome."""

    _shelf: Shelf
    _key: str
    _check: Callable[[], None]
    """Raises where the model is no longer what the key says."""

    def read(self) -> bytes | None:
        """What an interrupted run has left; None where there was none."""
        return self._shelf.read(self._key)

    def write(self, content: bytes) -> None:
        """Keeps what is done so far.

        Raises:
            ModelError: the model changed since it was loaded.
        """
        self._check()
        self._shelf.write(self._key, content)

    def drop(self) -> None:
        """It is finished."""
        self._shelf.drop(self._key)
