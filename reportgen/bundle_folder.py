"""Where a bundle lies: written beside its target and swapped in; what an earlier one left goes by its own list."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from reportgen.bundle_schema import damaged
from reportgen.errors import BundleError, Mistake, OutputError
from reportgen.store import ARRAYS, RESULTS, RUN, read_json, write_json


def is_bundle(folder: Path) -> bool:
    """Whether a folder holds a bundle of ours."""
    return (folder / RESULTS).is_file() and (folder / RUN).is_file()


@contextmanager
def beside(target: Path) -> Iterator[Path]:
    """An empty folder beside `target`, on the same disk, gone when the block ends.

    Raises:
        OutputError: it cannot be made, or what the block writes cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise OutputError(_unwritable(target, error)) from error
    try:
        stage.chmod(0o755)
        yield stage
    except OSError as error:
        raise OutputError(_unwritable(target, error)) from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """A folder to write a bundle into, swapped in as `target` when the block ends well.

    What an earlier bundle wrote is removed by its own list of files; whatever else lies in the folder stays.

    Raises:
        OutputError: the target cannot be written, or holds something that is no bundle.
    """
    target = target.resolve()
    _check_target(target)
    with beside(target) as stage:
        yield stage
        _list_files(stage)
        _swap(stage, target)


def check_writable(target: Path) -> None:
    """Refuses, before anything is computed, a target that could not be written at the end.

    Raises:
        OutputError: as `staged`.
    """
    try:
        target = target.resolve()
        _check_target(target)
    except OSError as error:
        raise OutputError(_unwritable(target, error)) from error
    nearest = next(folder for folder in (target, *target.absolute().parents) if folder.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise OutputError(_unwritable(target, PermissionError(13, f"{nearest} cannot be written")))


def replace_outputs(target: Path, stage: Path, outputs: Sequence[str], stale: Callable[[str], bool]) -> None:
    """Moves newly made outputs into a bundle, and removes what an earlier rendering made and `stale` names."""
    run = read_json(target / RUN)
    before = set(run.get("files", ())) | {RESULTS, ARRAYS, RUN}
    gone = {old for old in before - set(outputs) - {RESULTS, ARRAYS, RUN} if stale(old)}
    try:  # before anything is moved: a stranger's file may hold what none of ours can
        write_json(stage / RUN, run | {"files": sorted(before - gone | set(outputs))})
    except ValueError as error:
        raise BundleError(damaged(target / RUN, str(error))) from error
    places = {name: _inside(target, str(Path(name).parent)) / Path(name).name for name in outputs}
    for old in gone:
        _inside(target, old).unlink(missing_ok=True)
    for name, place in places.items():
        place.parent.mkdir(parents=True, exist_ok=True)
        (stage / name).replace(place)
    (stage / RUN).replace(target / RUN)
    _remove_empty_folders(target)


def _check_target(target: Path) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise OutputError(Mistake("the output is a file, not a folder", "name another with -o", file=target))
    if target == Path.cwd():
        raise OutputError(Mistake("the output is the current folder", "name another with -o", file=target))
    if is_bundle(target):
        _listed(target)
    elif any(target.iterdir()):
        raise OutputError(
            Mistake("the folder holds something that is no bundle", "name an empty or new folder with -o", file=target)
        )


def _list_files(stage: Path) -> None:
    files = sorted(str(file.relative_to(stage)) for file in stage.rglob("*") if file.is_file())
    write_json(stage / RUN, read_json(stage / RUN) | {"files": sorted({*files, RUN})})


def _swap(stage: Path, target: Path) -> None:
    if not target.exists():
        stage.replace(target)
        return
    before = _listed(target) if is_bundle(target) else []
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}-old-", dir=target.parent))
    target.replace(aside / "bundle")
    try:
        stage.replace(target)
    except OSError:
        (aside / "bundle").replace(target)
        raise
    for file in before:
        (aside / "bundle" / file).unlink(missing_ok=True)
    _keep_what_is_left(aside / "bundle", target)
    shutil.rmtree(aside, ignore_errors=True)


def _listed(bundle: Path) -> list[Path]:
    """The files that a bundle says it wrote, relative to it.

    Raises:
        BundleError: its list names something outside it, or is no list.
    """
    names = read_json(bundle / RUN).get("files", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BundleError(damaged(bundle / RUN, "its list of files is none"))
    files = [_inside(bundle, name) for name in names]
    return [file.relative_to(bundle) for file in files if file.is_file() or file.is_symlink()]


def _keep_what_is_left(old: Path, target: Path) -> None:
    """Files that no bundle wrote go back to where they lay."""
    for file in sorted(old.rglob("*")):
        place = target / file.relative_to(old)
        if (file.is_file() or file.is_symlink()) and not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            file.replace(place)


def _remove_empty_folders(target: Path) -> None:
    for folder in sorted((f for f in target.rglob("*") if f.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()


def _inside(folder: Path, name: str) -> Path:
    """A file named by a bundle's own list, which is a stranger's data: never outside its folder."""
    place = folder / name
    if not place.resolve().is_relative_to(folder.resolve()):
        raise BundleError(damaged(folder / RUN, f"a file of it lies outside the bundle: {name}"))
    return place


def _unwritable(target: Path, error: OSError) -> Mistake:
    reason = error.strerror or error
    return Mistake(f"the output cannot be written: {reason}", "free it, or name another with -o", file=target)
