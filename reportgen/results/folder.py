"""Where a bundle lies: made beside its target and swapped in; what an earlier one left goes by its own list."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from reportgen.errors import BundleError, Mistake, OutputError
from reportgen.results.bundle import RUN, read_json, write_json
from reportgen.results.failure_mark import remove_marks
from reportgen.results.files import NUMBERS, files_in, in_the_way, is_bundle, names_its_files, own_files
from reportgen.results.holding import holding, restore, stage_in, swap_in, writing
from reportgen.results.schema import describe_damage

ACCEPTED = "accepted.yaml"
"""What a baseline has and the bundle of a run has not: who accepted it, when and why."""
Kind = Literal["bundle", "baseline", "either"]
"""What a folder may hold that is written anew: the bundle of a run, an accepted one, or (where it was read) any."""
REMEDY = {"bundle": "name an empty or new folder with -o", "baseline": "name an empty or new folder with --to"}


@contextmanager
def stage_bundle(target: Path, kind: Kind = "bundle") -> Iterator[Path]:
    """A folder to write a bundle into, swapped in as `target` when the block ends well.

    What an earlier bundle wrote is removed by its own list of files; whatever else lies in the folder stays.

    Raises:
        OutputError: the target cannot be written, or holds something that is not a bundle (or not a baseline), or a
            file of somebody else's where the new one has its own.
    """
    target = target.resolve()
    restore(target)
    _check_target(target, kind)
    with writing(target), holding(target) as hold:
        stage = stage_in(hold, target)
        yield stage
        _list_files(stage)
        if (other := in_the_way(stage, target)) is not None:
            told = f"{other} is there already, and was not written by reportgen"
            raise OutputError(Mistake(told, "move it away, or name another folder with -o", file=target))
        swap_in(hold, target)


def check_writable(target: Path, kind: Kind = "bundle") -> None:
    """Refuses, before anything is computed, a target that could not be written at the end.

    Raises:
        OutputError: as `staged`.
    """
    with writing(target):
        target = target.resolve()
        restore(target)
        _check_target(target, kind)
        nearest = next(folder for folder in (target, *target.parents) if folder.exists())
        beside = next(folder for folder in target.parents if folder.exists())
        for folder in (nearest, beside):
            if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(13, f"{folder} cannot be written")


def keep_earlier(target: Path, stage: Path, stays: Callable[[str], bool]) -> None:
    """Puts into a stage, beside newly made outputs, what a bundle keeps: its numbers, and whichever output `stays`.

    Raises:
        BundleError: its run.json is damaged, or names files outside it.
    """
    for file in own_files(target):
        if str(file) != RUN and (str(file) in NUMBERS or stays(str(file))) and not (stage / file).exists():
            _link(target / file, stage / file)
    try:
        write_json(stage / RUN, remove_marks(read_json(target / RUN), "render"))
    except UnicodeEncodeError as error:  # half of a surrogate pair
        raise BundleError(describe_damage(target / RUN, "it holds what is not text")) from error
    except ValueError as error:
        raise BundleError(describe_damage(target / RUN, "it holds a number that is not finite")) from error


def _link(file: Path, place: Path) -> None:
    """The same file at another place; a copy of it where the disk has no second names."""
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file, place, follow_symlinks=False)
    except OSError:
        shutil.copy2(file, place, follow_symlinks=False)


def _check_target(target: Path, kind: Kind) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise OutputError(Mistake("the output is a file, not a folder", "name another with -o", file=target))
    if target == Path.cwd():
        raise OutputError(Mistake("the output is the current folder", "name another with -o", file=target))
    if (told := _refusal(target, kind)) and any(target.iterdir()):
        raise OutputError(Mistake(f"the folder holds {told}", REMEDY.get(kind, ""), file=target))


def _refusal(folder: Path, kind: Kind) -> str:
    """What a folder holds instead of a bundle of a kind that says which files are its own; empty where it does not."""
    something = f"something that is not a {'baseline' if kind == 'baseline' else 'bundle'}"
    if not is_bundle(folder):
        return something
    own_files(folder)
    if kind != "either" and not names_its_files(folder):
        return something
    is_baseline = (folder / ACCEPTED).is_file()
    if kind == "baseline" and not is_baseline:
        return "a bundle that is not a baseline"
    return "a baseline, not the bundle of a run" if kind == "bundle" and is_baseline else ""


def _list_files(stage: Path) -> None:
    write_json(stage / RUN, read_json(stage / RUN) | {"files": sorted({*map(str, files_in(stage)), RUN})})
