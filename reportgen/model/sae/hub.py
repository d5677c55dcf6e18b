"""Dictionaries on the Hugging Face hub: only the files of those that are wanted are downloaded."""

import re
from collections.abc import Sequence
from pathlib import Path

from reportgen.errors import Mistake
from reportgen.model.files.gguf import Notify
from reportgen.model.files.hub import download_snapshot, explain_hub_error
from reportgen.model.sae.choose import Wish
from reportgen.model.sae.files import DictionaryError
from reportgen.model.sae.forms import FILES, dictionary_folders, files_below

_BLOCK = re.compile(r"(?:layer_|blocks\.|\bL)(\d{1,4})(?!\d)")
_WIDTH = re.compile(r"width_(\d+)(k|m)")
_EXACT_WIDTH = {"k": 1 << 10, "m": 1 << 20}


def download_dictionaries(
    repository: str, path: str, revision: str | None, wish: Wish, notify: Notify
) -> tuple[Path, list[str], str]:
    """The repository's folder on disk, the dictionaries' folders in it, and the commit.

    What is wanted is told by the folders' names, as far as they tell it; the rest is for `choose`. In a repository
    that the hub cannot be asked about, what lies in the cache is taken.

    Raises:
        DictionaryError: missing, gated, or not to be had.
    """
    import huggingface_hub

    folders: list[str] = []
    try:
        if not huggingface_hub.is_offline_mode():
            listed = _list_files(repository, revision)
            folders = _select_folders(listed, path, wish, repository) if listed else []
        patterns = [f"{folder}/{file}".removeprefix("./") for folder in folders for file in FILES]
        snapshot = download_snapshot(repository, revision, patterns, notify)
    except DictionaryError:
        raise
    except Exception as error:
        raise DictionaryError(explain_hub_error(repository, revision, error)) from error
    return snapshot, folders or _select_folders(files_below(snapshot), path, wish, repository), snapshot.name


def _list_files(repository: str, revision: str | None) -> list[str]:
    """The repository's files; none where the hub cannot be reached, so that the cache is looked at."""
    import huggingface_hub
    from huggingface_hub import errors

    try:
        return list(huggingface_hub.list_repo_files(repository, revision=revision))
    except errors.HfHubHTTPError:
        raise
    except Exception:  # without a network each library below raises its own; the cache may have what is wanted
        return []


def _select_folders(files: Sequence[str], path: str, wish: Wish, repository: str) -> list[str]:
    """The dictionaries' folders below a path, without those whose names tell that they are not wanted."""
    inside = [file for file in files if not path or file.startswith(f"{path}/")]
    folders = dictionary_folders(inside)
    if not folders:
        raise _absence_error(repository, path)
    return [folder for folder in folders if _may_be_wanted(folder, wish)] or folders


def _may_be_wanted(folder: str, wish: Wish) -> bool:
    blocks, widths = _BLOCK.findall(folder), _WIDTH.findall(folder)
    if wish.features is not None and widths:
        number, unit = widths[-1]
        # A folder called 16k holds 16,384 features, one called 65k 65,536.
        if wish.features // (1000 if unit == "k" else 1_000_000) != int(number):
            return False
    # The stream after block N is layer N + 1; writes are counted by block.
    return wish.layers is None or not blocks or {int(blocks[-1]), int(blocks[-1]) + 1} & set(wish.layers) != set()


def _absence_error(repository: str, path: str) -> DictionaryError:
    where = f"{repository}/{path}" if path else repository
    page = f"https://huggingface.co/{repository}/tree/main"
    return DictionaryError(Mistake(f"{where}: no dictionary is there", f"See {page}, and name a folder of it."))
