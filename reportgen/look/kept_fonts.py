"""Font files kept between runs: cut once for a set of characters, and sealed by their hash."""

import hashlib
import json
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from reportgen.cache import FONTS, Shelf, cache_folder, key_of
from reportgen.documents.watched import State, state_of
from reportgen.fingerprints import version_of

RECIPE = 3
"""Raised whenever the same font and characters give another file."""


def makers() -> tuple[str, ...]:
    """By what fonts are cut: what they come out as depends on it."""
    return (str(RECIPE), *(f"{name} {version_of(name)}" for name in ("uharfbuzz", "fonttools")))


def digest_of(*parts: object) -> str:
    """A name for what is made of these parts, by these versions of what makes it."""
    said = json.dumps([*makers(), *map(str, parts)])
    return hashlib.sha256(said.encode()).hexdigest()[:32]


_seen: set[tuple[Path, State | None]] = set()
"""Files that this process made, or found to be what was kept, and how they were then."""
_full: set[Path] = set()
"""Folders that could not take a file: this process keeps its fonts elsewhere."""


def kept_file(name: str, make: Callable[[], bytes]) -> Path:
    """The file of this name as it was kept; made now where there is none, or not what was kept under this name."""
    path = _folder() / name
    if (path, state_of(path)) not in _seen:
        if not _is_whole(path):
            path = _written(path, make())
        _seen.add((path, state_of(path)))
    return path


def _is_whole(path: Path) -> bool:
    try:
        content = path.read_bytes()
    except OSError:
        return False
    return Shelf(FONTS).read(_seal_of(path)) == hashlib.sha256(content).digest()


def _seal_of(path: Path) -> str:
    """Under what the cache keeps the hash of a file, which itself is as others read it: a font."""
    return key_of("file", path.name)


def _written(path: Path, content: bytes) -> Path:
    """Where the content lies now: at that path, or, where it cannot be written there, in a folder of this process."""
    try:
        _write(path, content)
    except OSError:
        _full.add(path.parent)
        path = _folder() / path.name
        _write(path, content)
    else:
        Shelf(FONTS).write(_seal_of(path), hashlib.sha256(content).digest())
    return path


def _folder() -> Path:
    """Where fonts are kept between runs; where nothing can be written, a folder of this process."""
    kept = _writable(cache_folder() / FONTS)
    return Path(_of_this_process().name) if kept in _full else kept


@cache
def _writable(kept: Path) -> Path:
    try:
        kept.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=kept):
            return kept
    except OSError:
        return Path(_of_this_process().name)


@cache
def _of_this_process() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="reportgen-fonts-")


def _write(path: Path, content: bytes) -> None:
    """Another process may be writing the same file: one of two equal ones wins."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as beside:
        try:
            beside.write(content)
            beside.flush()
            Path(beside.name).replace(path)
        except BaseException:
            Path(beside.name).unlink(missing_ok=True)
            raise
