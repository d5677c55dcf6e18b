"""The bundles below a folder in the order of their nights (or of their names), and their metrics without the rest."""

import datetime
import json
import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from reportgen.battery import ID
from reportgen.errors import BundleError, Mistake
from reportgen.failure_mark import refuse_failed
from reportgen.probes.base import ModelCard
from reportgen.result import Outcome
from reportgen.store import RESULTS, RUN, SCHEMA, Bundle, outcome_from

Order = Literal["started", "name"]
"""By when a bundle was begun, or by its folder's name, in which checkpoint-10 comes after checkpoint-9."""
TABLES, OUTCOME_ENDS = b',\n    "tables": ', b"\n   }"
"""What stands after the metrics of an outcome in results.json, and where the outcome ends. Text holds no line break."""


@dataclass(frozen=True)
class Night:
    """One bundle of many."""

    folder: Path
    name: str
    """Its folder, below the one that holds all."""
    started: datetime.datetime | None
    """None where run.json does not say."""


def find_nights(root: Path) -> tuple[list[Night], list[Mistake]]:
    """Every bundle below a folder, or the folder's own; and those of which run.json cannot be read.

    Raises:
        BundleError: there is no such folder.
    """
    if not root.is_dir():
        raise BundleError(Mistake("there is no such folder", "name one that holds bundles", file=root))
    found: list[Night] = []
    unreadable: list[Mistake] = []
    for folder in _bundles(root):
        name = folder.relative_to(root).as_posix() if folder != root else root.resolve().name
        try:
            found.append(Night(folder, name, _started(folder / RUN)))
        except BundleError as error:
            unreadable.extend(error.mistakes)
    return found, unreadable


def order_of(nights: Sequence[Night]) -> Order:
    """By when they were begun where each night says so, else by name."""
    return "started" if all(night.started for night in nights) else "name"


def in_order(nights: Sequence[Night], order: Order) -> list[Night]:
    """The nights one after the other; nights that were begun at once, by name.

    Raises:
        BundleError: a night does not say when it was begun.
    """
    by_name = sorted(nights, key=lambda night: natural(night.name))
    return by_name if order == "name" else sorted(by_name, key=_moment)


def labels(nights: Sequence[Night], order: Order) -> list[str]:
    """What each night is called: its date, its date and time where two share a date, or its folder's name."""
    if order == "name":
        return [night.name for night in nights]
    moments = [_moment(night) for night in nights]
    dates = [f"{moment:%Y-%m-%d}" for moment in moments]
    times = [f"{moment:%Y-%m-%d %H:%M:%S}" for moment in moments]
    same_date, same_time = Counter(dates), Counter(times)
    return [
        date if same_date[date] == 1 else time if same_time[time] == 1 else f"{time} {night.name}"
        for date, time, night in zip(dates, times, nights, strict=True)
    ]


def _moment(night: Night) -> datetime.datetime:
    if night.started is None:
        raise BundleError(Mistake("it does not say when it was begun", "order them by name", file=night.folder / RUN))
    return night.started


def natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts numbers within names by their value."""
    parts: Iterable[str] = re.findall(r"[0-9]+|[^0-9]+", name)
    return [(int(part), "") if part.isdecimal() and part.isascii() else (-1, part) for part in parts]


def read_metrics(folder: Path) -> Bundle:
    """A bundle without tables, arrays and run.json: a tenth of the work, where only its metrics are wanted.

    Raises:
        BundleError: as `load_bundle`, but for what is not read.
    """
    whole = _bytes(folder / RESULTS)
    try:
        return _bundle(folder, _cut(whole))
    except BundleError:  # not written as `store` writes it, or damaged indeed
        return _bundle(folder, whole)


def _bundle(folder: Path, text: bytes) -> Bundle:
    file = folder / RESULTS
    content = _parsed(file, text)
    if content.get("schema") != SCHEMA:
        told = f"a bundle of schema {content.get('schema')!r:.80}; this version reads {SCHEMA}"
        raise BundleError(Mistake(told, file=file))
    try:
        outcomes = {
            probe_id: {subject: _outcome(outcome) for subject, outcome in by_subject.items()}
            for probe_id, by_subject in content["results"].items()
        }
        models = {
            id: ModelCard(id, card["name"], card["architecture"], card["layers"], card)
            for id, card in content["models"].items()
        }
        title = str(content["title"])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise _damaged(file, f"{type(error).__name__}: {error}") from error
    # Ids become names of files and links.
    for name in [*models, *outcomes, *(part for by in outcomes.values() for s in by for part in s.split(".."))]:
        if not re.fullmatch(ID, name):
            raise _damaged(file, f"{name[:80]!r} is no id")
    return Bundle(folder, title, models, outcomes)


def _bundles(root: Path) -> Iterable[Path]:
    """Folders with results; what lies in a bundle is its own, and a hidden folder is one that is being written."""
    for place, folders, files in os.walk(root):
        if RESULTS in files:
            folders.clear()
            yield Path(place)
        folders[:] = [name for name in folders if not name.startswith(".")]


def _started(file: Path) -> datetime.datetime | None:
    """When a run was begun, in UTC; a later run that failed makes it a night without numbers."""
    if not file.exists():
        return None
    content = _parsed(file, _bytes(file))
    refuse_failed(content, file)
    told = content.get("started")
    try:
        moment = datetime.datetime.fromisoformat(str(told))
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return moment.astimezone(datetime.UTC)


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise _damaged(file, error.strerror or str(error)) from error


def _parsed(file: Path, text: bytes) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _damaged(file, str(error)) from error
    if not isinstance(content, dict):
        raise _damaged(file, "it is no mapping")
    return content


def _cut(whole: bytes) -> bytes:
    """results.json without tables and arrays, which stand last in each outcome."""
    parts, done = [], 0
    while (start := whole.find(TABLES, done)) >= 0 and (end := whole.find(OUTCOME_ENDS, start)) >= 0:
        parts.append(whole[done:start])
        done = end
    return b"".join([*parts, whole[done:]])


def _outcome(content: dict[str, Any]) -> Outcome:
    outcome = outcome_from({**content, "tables": {}, "arrays": {}}, {})
    for name, metric in outcome.metrics.items():
        value: Any = metric.value
        if value is not None and (isinstance(value, bool | str) or not math.isfinite(value)):
            raise ValueError(f"the metric {name[:80]} is no number")
    return outcome


def _damaged(file: Path, what: str) -> BundleError:
    return BundleError(Mistake(f"the bundle is damaged: {what}", file=file))
