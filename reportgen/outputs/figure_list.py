"""figures.json, which says which files of a folder are figures that were written here, and of which bundle."""

import json
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from reportgen.errors import BatteryError, Mistake, OutputError
from reportgen.results.failure_mark import reason_without_places
from reportgen.results.holding import make_folder_beside

LIST = "figures.json"
"""No file that it does not name is written over or removed."""
_FILE = re.compile(r"[^/\\\0]+\.(svg|png|pdf|csv)")
"""What a figure's file may be called: a list may be a stranger's, and leads nowhere else."""
FAILED = "last_figures_failed"
"""Its key for why the last call failed: the pictures are older."""


@dataclass(frozen=True)
class FigureList:
    """What figures.json says."""

    bundles: dict[str, str] = field(default_factory=dict)
    """File -> name of its bundle; empty where an older version wrote the list."""

    def text(self, failed: str = "") -> str:
        """As it is written."""
        of = {file: bundle for file, bundle in sorted(self.bundles.items()) if bundle}
        content = {"files": sorted({*self.bundles, LIST}), "of": of, **({FAILED: failed} if failed else {})}
        return json.dumps(content, indent=1) + "\n"


def read_list(folder: Path) -> FigureList | None:
    """The list of a folder; None where it has none that can be read."""
    try:
        content = json.loads((folder / LIST).read_text(encoding="utf-8"))
        names, of = content["files"], content.get("of", {})
        return FigureList({name: str(of.get(name, "")) for name in names if _FILE.fullmatch(name)})
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def take_over(target: Path, stage: Path, names: Sequence[str], bundle: str, gone: Collection[str]) -> None:
    """Moves new files of a bundle to where those of an earlier call may lie, and nobody else's.

    Args:
        target: the folder.
        stage: holds the new files.
        names: they.
        bundle: the name of theirs.
        gone: names that are to be removed, where the list says that they were this bundle's.

    Raises:
        OutputError: somebody else's file has one of the names.
    """
    known = read_list(target)
    ours = known.bundles if known else {}
    for name in (*names, LIST):
        if (target / name).exists() and name not in ours and not (known and name == LIST):
            told = f"{name} is there already, and was not written by reportgen figures"
            raise OutputError(Mistake(told, "name another folder with -o", file=target))
    stale = [name for name in ours if name in gone and name not in names and ours[name] in ("", bundle)]
    target.mkdir(parents=True, exist_ok=True)
    new = ours | dict.fromkeys(names, bundle)
    _write(FigureList(new), stage, target)  # before the files: one that is there and not in it is somebody else's
    for name in names:
        (stage / name).replace(target / name)
    for name in stale:
        (target / name).unlink(missing_ok=True)
    _write(FigureList({name: of for name, of in new.items() if name not in stale}), stage, target)


@contextmanager
def marks_failure(bundle: Path, folder: Path | None) -> Iterator[None]:
    """Marks the folder of earlier figures (without one, each next to the bundle) if the block fails."""
    try:
        yield
    except BatteryError:  # what was asked for is not there: nothing was to be made
        raise
    except Exception as error:  # whatever it is, the pictures are older than they look
        for older in [folder] if folder is not None else _find_folders(bundle):
            with suppress(OutputError):  # the first error is told
                _mark(older, reason_without_places(error))
        raise


def _mark(folder: Path, reason: str) -> None:
    known = read_list(folder)
    if known is not None:
        with make_folder_beside(folder) as stage:
            _write(known, stage, folder, reason)


def _find_folders(bundle: Path) -> list[Path]:
    place = bundle.resolve()
    try:
        return [folder for folder in place.parent.iterdir() if folder.name.startswith(f"{place.name}-figures-")]
    except OSError:
        return []


def _write(known: FigureList, stage: Path, target: Path, failed: str = "") -> None:
    (stage / LIST).write_text(known.text(failed), encoding="utf-8")
    (stage / LIST).replace(target / LIST)
