"""Which files of a folder are a bundle's own: those that its list names. Whatever else lies there is somebody's."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from reportgen.errors import BundleError
from reportgen.results.bundle import ARRAYS, RESULTS, RUN, read_json
from reportgen.results.schema import describe_damage

NUMBERS = (RESULTS, ARRAYS, RUN)
"""A bundle's own, whether or not its list names them."""


def is_bundle(folder: Path) -> bool:
    """Whether a folder holds a bundle of ours."""
    return (folder / RESULTS).is_file() and (folder / RUN).is_file()


def names_its_files(folder: Path) -> bool:
    """Whether a bundle has a list of its files: without one, nothing says that they are ours.

    Raises:
        BundleError: its run.json is damaged.
    """
    return RESULTS in _names(folder)


def own_files(bundle: Path) -> list[Path]:
    """The files that a bundle wrote and still has, relative to it.

    Raises:
        BundleError: its list names something outside it, or is not a list.
    """
    names = dict.fromkeys((*_names(bundle), *NUMBERS))
    try:
        files = [_inside(bundle, name) for name in names]
        return [file.relative_to(bundle) for file in files if file.is_file() or file.is_symlink()]
    except (OSError, ValueError, RuntimeError) as error:  # a name that is too long, holds NUL, or leads round in links
        raise BundleError(describe_damage(bundle / RUN, "its list names what cannot be a file")) from error


def in_the_way(stage: Path, target: Path) -> Path | None:
    """What of somebody else's stands in a target where a new bundle would write; None where nothing does.

    Raises:
        BundleError: as `own_files`.
    """
    own = set(own_files(target)) if (target / RUN).is_file() else set()
    for file in files_in(stage):
        for folder in list(file.parents)[:-1]:
            if os.path.lexists(target / folder) and not _is_folder(target / folder):
                return folder
        if os.path.lexists(target / file) and file not in own:
            return file
    return None


def files_in(folder: Path) -> Iterator[Path]:
    """Every file and link below a folder, relative to it; what links lead to is not looked at."""
    for place, folders, names in os.walk(folder):
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        for name in sorted([*names, *links]):
            yield (Path(place) / name).relative_to(folder)


def remove_own(bundle: Path) -> None:
    """Removes what a bundle wrote, and the folders that are empty then; its list last, so that it can be gone on with.

    Raises:
        BundleError: as `own_files`.
    """
    own = own_files(bundle) if (bundle / RUN).is_file() else []
    for file in sorted(own, key=lambda file: str(file) == RUN):
        (bundle / file).unlink(missing_ok=True)
    folders = {folder for file in own for folder in list(file.parents)[:-1]}
    for folder in sorted(folders, key=lambda folder: -len(folder.parts)):
        with suppress(OSError):  # not empty: it holds somebody's files
            (bundle / folder).rmdir()


def carry_over(old: Path, new: Path) -> None:
    """Moves what is left in one folder to the same place in another, where nothing stands there."""
    for entry in sorted(old.iterdir()):
        place = new / entry.name
        if _is_folder(entry) and _is_folder(place):
            carry_over(entry, place)
            with suppress(OSError):  # not empty: something stands where it would go
                entry.rmdir()
        elif not os.path.lexists(place):
            entry.rename(place)


def _names(bundle: Path) -> list[str]:
    names = read_json(bundle / RUN).get("files", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BundleError(describe_damage(bundle / RUN, "its list of files is not a list of names"))
    return names


def _inside(folder: Path, name: str) -> Path:
    """A file named by a bundle's own list, which is a stranger's data: never outside its folder."""
    place = folder / name
    if not place.parent.resolve().is_relative_to(folder.resolve()):
        raise BundleError(describe_damage(folder / RUN, f"a file of it lies outside the bundle: {name}"))
    return place


def _is_folder(place: Path) -> bool:
    return place.is_dir() and not place.is_symlink()
