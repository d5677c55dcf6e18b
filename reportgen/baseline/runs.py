"""The bundles below a folder in the order of their beginnings (or names), and their metrics without the rest."""

import datetime
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from reportgen.errors import BundleError, Mistake
from reportgen.numerals import write_count
from reportgen.results.bundle import RESULTS, RUN, Bundle, bundle_from, read_run
from reportgen.results.failure_mark import refuse_failed
from reportgen.results.part import refuse_part
from reportgen.results.schema import check_results, parse_json, read_bytes

Order = Literal["started", "name", "step"]
"""By when a bundle was begun; by its folder's name, in which checkpoint-10 comes after checkpoint-9; or by the step of
the checkpoints that it is of, of which one bundle may hold many."""
SURROUNDINGS = ("versions", "machine")
"""What run.json says that may move numbers."""
TABLES, OUTCOME_ENDS = b',\n    "tables": ', b"\n   }"
"""What stands after the metrics of an outcome in results.json, and where the outcome ends. Text holds no line break."""


@dataclass(frozen=True)
class StoredRun:
    """One bundle of many."""

    folder: Path
    name: str
    """Its folder, below the one that holds all."""
    started: datetime.datetime | None
    """None where run.json does not say."""
    surroundings: Mapping[str, Any] = field(default_factory=dict)
    """What run.json says of versions and machine."""
    step: int | None = None
    """Of the training, where runs are its checkpoints."""


def find_runs(root: Path) -> tuple[list[StoredRun], list[Mistake]]:
    """Every bundle below a folder, or the folder's own; and those of which run.json cannot be read.

    Raises:
        BundleError: there is no such folder.
    """
    if not root.is_dir():
        raise BundleError(Mistake("there is no such folder", "name one that holds bundles", file=root))
    found: list[StoredRun] = []
    unreadable: list[Mistake] = []
    for folder in _bundles(root):
        name = folder.relative_to(root).as_posix() if folder != root else root.resolve().name
        try:
            run = _read_run(folder / RUN)
            surroundings = {what: run[what] for what in SURROUNDINGS if what in run}
            found.append(StoredRun(folder, name, _find_start(run), surroundings))
        except BundleError as error:
            unreadable.extend(error.mistakes)
    return found, unreadable


def order_of(runs: Sequence[StoredRun]) -> Order:
    """By when they were begun where each run says so, else by name."""
    return "started" if all(run.started for run in runs) else "name"


def sort_in_order(runs: Sequence[StoredRun], order: Order) -> list[StoredRun]:
    """The runs one after the other; runs that were begun at once, by name.

    Raises:
        BundleError: a run does not say when it was begun.
    """
    by_name = sorted(runs, key=lambda run: make_natural_key(run.name))
    return by_name if order == "name" else sorted(by_name, key=_moment)


def label_runs(runs: Sequence[StoredRun], order: Order) -> list[str]:
    """What each run is called: its date, its date and time where two share a date, its folder's name, or its step."""
    if order == "step":
        return [f"step {write_count(run.step or 0)}" for run in runs]
    if order == "name":
        return [run.name for run in runs]
    moments = [_moment(run) for run in runs]
    dates = [f"{moment:%Y-%m-%d}" for moment in moments]
    times = [f"{moment:%Y-%m-%d %H:%M:%S}" for moment in moments]
    same_date, same_time = Counter(dates), Counter(times)
    return [
        date if same_date[date] == 1 else time if same_time[time] == 1 else f"{time} {run.name}"
        for date, time, run in zip(dates, times, runs, strict=True)
    ]


def _moment(run: StoredRun) -> datetime.datetime:
    if run.started is None:
        raise BundleError(Mistake("it does not say when it was begun", "order them by name", file=run.folder / RUN))
    return run.started


def make_natural_key(name: str) -> list[tuple[int, str]]:
    """A key that sorts numbers within names by their value."""
    parts: Iterable[str] = re.findall(r"[0-9]+|[^0-9]+", name)
    return [(int(part), "") if part.isdecimal() and part.isascii() else (-1, part) for part in parts]


def read_metrics(folder: Path) -> Bundle:
    """A bundle without tables, arrays and run.json: a tenth of the work, where only its metrics are wanted.

    Raises:
        BundleError: as `load_bundle`, but for what is not read.
    """
    whole = read_bytes(folder / RESULTS)
    try:
        return _bundle(folder, _cut_tables(whole))
    except BundleError:  # not written as `store` writes it, or damaged indeed
        return _bundle(folder, whole)


def _bundle(folder: Path, text: bytes) -> Bundle:
    file = folder / RESULTS
    return bundle_from(check_results(parse_json(file, text), file), folder, None)


def _bundles(root: Path) -> Iterable[Path]:
    """Folders with results; what lies in a bundle is its own, and a hidden folder is one that is being written."""
    for place, folders, files in os.walk(root):
        if RESULTS in files:
            folders.clear()
            yield Path(place)
        folders[:] = [name for name in folders if not name.startswith(".")]


def _read_run(file: Path) -> Mapping[str, Any]:
    """run.json, if there is one; a later run that failed leaves it without numbers, and a part has not all of them."""
    if not file.exists():
        return {}
    run = read_run(file.parent)
    refuse_failed(run, file)
    refuse_part(run, file)
    return run


def _find_start(run: Mapping[str, Any]) -> datetime.datetime | None:
    """When a run was begun, in UTC."""
    try:
        moment = datetime.datetime.fromisoformat(run.get("started", ""))
        return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).astimezone(datetime.UTC)
    except (ValueError, OverflowError):  # no moment, or one that UTC has no year for
        return None


def _cut_tables(whole: bytes) -> bytes:
    """results.json without tables and arrays, which stand last in each outcome."""
    parts, done = [], 0
    while (start := whole.find(TABLES, done)) >= 0 and (end := whole.find(OUTCOME_ENDS, start)) >= 0:
        parts.append(whole[done:start])
        done = end
    return b"".join([*parts, whole[done:]])
