"""Which folders hold a dictionary, recognised by their files, and of which form."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath

from reportgen.errors import Mistake
from reportgen.model.sae import gemma_scope, llama_scope, saelens
from reportgen.model.sae.files import DictionaryError, DictionaryFiles

DEEPEST = 6
"""Folders below a source that are looked through."""
_PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl")
_EXPECTED = (
    f"A dictionary's folder holds {gemma_scope.NPZ} (Gemma Scope), {gemma_scope.CONFIG} and {gemma_scope.SAFETENSORS} "
    f"(Gemma Scope 2), {saelens.CONFIG} and {saelens.WEIGHTS} (SAELens), or {llama_scope.CONFIG} and "
    f"{llama_scope.WEIGHTS} (Llama Scope)."
)

_DESCRIBE: Mapping[str, Callable[[Path, str], DictionaryFiles]] = {
    saelens.WEIGHTS: saelens.describe,
    saelens.CONFIG: saelens.describe,
    llama_scope.WEIGHTS: llama_scope.describe,
    llama_scope.CONFIG: llama_scope.describe,
    gemma_scope.SAFETENSORS: gemma_scope.describe_second,
    gemma_scope.NPZ: gemma_scope.describe_first,
}
"""File that tells the form -> what reads it. A configuration alone tells it too: then the weights are missing."""
FILES = (*_DESCRIBE, gemma_scope.CONFIG, saelens.SCALER)
"""All that any form reads, below a dictionary's folder."""


def describe_all(root: Path) -> list[DictionaryFiles]:
    """Every dictionary in a folder and below it.

    Raises:
        DictionaryError: there is none, or one of them is damaged or not supported.
    """
    files = files_below(root)
    folders = dictionary_folders(files)
    if not folders:
        raise _nothing_found_error(root, files)
    return [describe(root, folder) for folder in folders]


def describe(root: Path, folder: str) -> DictionaryFiles:
    """The dictionary in a folder, named by its path below `root`.

    Raises:
        DictionaryError: it is damaged or not supported.
    """
    marker = next(marker for marker in _DESCRIBE if (root / folder / marker).is_file())
    return _DESCRIBE[marker](root / folder, folder if folder != "." else root.name)


def files_below(root: Path) -> list[str]:
    """Paths of the files in a folder and below it.

    Raises:
        DictionaryError: a folder cannot be read.
    """
    return [path.relative_to(root).as_posix() for path in _walk_folders(root, DEEPEST)]


def dictionary_folders(files: Iterable[str]) -> list[str]:
    """The folders, by their paths, in which some of these files tell of a dictionary; `.` for the topmost."""
    found = set()
    for file in files:
        for marker in _DESCRIBE:
            if file == marker or file.endswith(f"/{marker}"):
                found.add(PurePosixPath(file.removesuffix(marker)).as_posix())
    return sorted(found)


def _walk_folders(folder: Path, depth: int) -> Iterable[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise DictionaryError(Mistake(f"cannot be read: {error.strerror}", file=folder)) from error
    for entry in entries:
        if entry.is_dir():
            # A hidden folder is somebody's unfinished work; a link could lead round in a circle.
            if depth > 0 and not entry.is_symlink() and not entry.name.startswith("."):
                yield from _walk_folders(entry, depth - 1)
        else:
            yield entry


def _nothing_found_error(root: Path, found: list[str]) -> DictionaryError:
    pickled = sorted(file for file in found if file.endswith(_PICKLES))
    if pickled:
        return DictionaryError(
            Mistake(
                f"the weights are there only as a pickle file ({pickled[0]}), which can run code and is never loaded",
                "Convert it to safetensors if you trust it. " + _EXPECTED,
                root,
            )
        )
    return DictionaryError(Mistake("an empty folder" if not found else "no dictionary in here", _EXPECTED, root))
