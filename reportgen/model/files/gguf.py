"""GGUF files made into folders of safetensors and tokenizer.json: once, in the user's cache, all or nothing."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reportgen.cache import cache_folder
from reportgen.documents.regular_file import open_regular, read_regular
from reportgen.errors import Mistake, ModelError
from reportgen.model.files.weights import check_weights, count_parameters
from reportgen.processes.worker import run_child

CONVERSION_VERSION = 2
"""Raised whenever a conversion gives other files: folders of an older number are then left unused."""

Notify = Callable[[str], None]
"""Receives one plain line about a step that takes a while."""

FILE_MODE = 0o644
MANIFEST = "manifest.json"
_MANIFEST_BYTES = 100_000
DISK_FAILED = 4
"""Exit code of the converting process where the disk, not the file, was the trouble."""


def say_nothing(line: str) -> None:
    """The `Notify` that says nothing."""


def models_folder() -> Path:
    """The part of the cache that holds converted models."""
    return cache_folder() / "models"


def converted_folder(name: str, sha256: str) -> Path:
    """Where the conversion of the GGUF file with this hash lies, or will lie."""
    return models_folder() / f"{name}-v{CONVERSION_VERSION}-{sha256[:12]}"


def is_converted(folder: Path) -> bool:
    """Whether the conversion of this name stands there, and is what its own list of files says it was when written."""
    try:
        listed = json.loads(read_regular(folder / MANIFEST, _MANIFEST_BYTES))
        whole: bool = listed == _manifest(folder, folder.name)
    except (OSError, ValueError, RecursionError):
        return False
    return whole


def _manifest(folder: Path, name: str) -> dict[str, Any]:
    """What tells a converted folder from one that was damaged or exchanged: its name, and sizes and hashes of files.

    The weights are too long to be read again each time: a run hashes them as it loads them.
    """
    files = sorted(file for file in folder.iterdir() if file.name != MANIFEST)
    sizes = {file.name: file.stat().st_size for file in files}
    hashes = {file.name: sha256_of(file) for file in files if file.suffix != ".safetensors"}
    return {"folder": name, "sizes": sizes, "sha256": hashes}


def sha256_of(file: Path) -> str:
    """The hex digest of a file."""
    with open_regular(file) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def convert_once(
    name: str,
    sha256: str,
    gguf: Callable[[Path], Path],
    *,
    parameters: int | None = None,
    notify: Notify = say_nothing,
) -> Path:
    """The folder of the converted model; made now if it is not there yet, while other processes wait.

    Args:
        name: what the folder's name begins with.
        sha256: of the GGUF file.
        gguf: gives the path of the GGUF file; may put it into the folder it is handed, which is thrown away.
        parameters: how many the converted model must have, where that is known.
        notify: told what is going on.

    Raises:
        ModelError: the file cannot be read as a model, or the cache cannot be written.
    """
    folder = converted_folder(name, sha256)
    if is_converted(folder):
        return folder
    with _cache_errors(), _lock_conversion(folder, notify):
        if is_converted(folder):
            return folder
        # Only the holder of the lock writes here: what lies there is left over from a process that was killed.
        partial = folder.with_name(f".partial-{folder.name}")
        shutil.rmtree(partial, ignore_errors=True)
        try:
            _convert(gguf, partial, parameters, notify)
            manifest = _manifest(partial / "model", folder.name)
            (partial / "model" / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
            if folder.exists():
                shutil.rmtree(folder)
            (partial / "model").replace(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return folder


def _convert(gguf: Callable[[Path], Path], partial: Path, parameters: int | None, notify: Notify) -> None:
    joined, model = partial / "gguf", partial / "model"
    joined.mkdir(parents=True)
    model.mkdir()
    file = gguf(joined)
    notify(f"Converting {file.name} to safetensors. This takes up to a minute and happens once.")
    _save_dequantised(file, model)
    check_weights(model)
    found = count_parameters(model)
    if parameters is not None and found != parameters:
        raise ModelError(f"{file.name} became a model of {found:,} parameters instead of {parameters:,}")
    for saved in model.iterdir():
        saved.chmod(FILE_MODE)


def _save_dequantised(file: Path, folder: Path) -> None:
    # In a process of its own: planning a battery stays free of torch, and the memory is given back.
    ended = run_child("reportgen.model.files.dequantise", str(file), str(folder))
    if ended.returncode == 0:
        return
    reason = (ended.stderr.decode(errors="replace").strip().splitlines() or ["the converting process was ended"])[-1]
    raise OSError(reason) if ended.returncode == DISK_FAILED else _unreadable_error(file, reason)


def _unreadable_error(file: Path, reason: str) -> ModelError:
    return ModelError(
        Mistake(
            f"this GGUF file cannot be read as a causal language model: {reason[:200]}",
            "Is the file complete? Otherwise use a folder or hub id with the model's safetensors.",
            file,
        )
    )


@contextmanager
def _lock_conversion(folder: Path, notify: Notify) -> Iterator[None]:
    from filelock import FileLock, Timeout

    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.with_name(f".{folder.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        notify(f"Another process is converting {folder.name}: waiting for it.")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _cache_errors() -> Iterator[None]:
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError) as error:
        # safetensors tells of a full disk in words only.
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ModelError(
            Mistake(
                f"the converted model cannot be written to the cache {models_folder()}: {reason}",
                "Free some space there, or set REPORTGEN_CACHE to a writable folder with enough space.",
            )
        ) from error
