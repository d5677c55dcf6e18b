"""The whole way of a comparison, as the command line and Python call it: two bundles to verdicts and their outputs."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from reportgen.baseline.accepted import load_tolerances, write_tolerances
from reportgen.baseline.calibrate import conditions_of_runs, tolerances_from
from reportgen.baseline.compare import Comparison
from reportgen.baseline.compare import compare as compared
from reportgen.baseline.judgements import NOT_COMPARED
from reportgen.baseline.record import failure_bytes
from reportgen.baseline.tolerance import ToleranceEntry, checked_entries
from reportgen.battery.reader import load_battery
from reportgen.cache import make_room
from reportgen.errors import BundleError, Mistake, OutputError, ReportgenError
from reportgen.results.bundle import RUN, Bundle, load_bundle
from reportgen.results.failure_mark import reason_without_places, refuse_failed
from reportgen.results.holding import beside, restore, writing
from reportgen.results.schema import damaged

OUTPUTS = ("comparison.json", "comparison.html", "comparison.pdf")
Progress = Callable[[str], None]


def compare(baseline: str | Path, bundle: str | Path) -> Comparison:
    """A bundle against its baseline: `compare(old, new).verdict`.

    The bundle's battery says what is tolerated; what a calibration measured is taken from the baseline.

    Raises:
        BundleError: one of the two is not a bundle, or a damaged one.
        FailedBefore: the last run of one of the two failed: its numbers say nothing of today.
    """
    before, after = _read(Path(baseline)), _read(Path(bundle))
    return compared(before, after, tolerances_of(after), load_tolerances(Path(baseline)))


def write(
    comparison: Comparison, target: Path, formats: Sequence[str], progress: Progress = lambda line: None
) -> list[str]:
    """Writes comparison.json and the pages into a folder, after those of an earlier comparison are gone; gives their
    names.

    Raises:
        OutputError: the folder cannot be written, or holds something else.
    """
    from reportgen.report.comparison.page import write_comparison

    check_target(target)
    with beside(target) as stage:
        names = write_comparison(comparison, stage, formats, progress=progress)
        _take_place(stage, target, names)
    make_room()
    return names


def write_failure(error: Exception, target: Path) -> None:
    """Takes an earlier comparison out of a folder, and says in its place that there is none, and why.

    Nothing is done where the folder holds no comparison.

    Raises:
        OutputError: it cannot be written.
    """
    from reportgen.report.failed import html

    if not is_comparison(target):
        return
    reason, code = reason_without_places(error), error.exit_code if isinstance(error, ReportgenError) else 1
    record, page, _ = OUTPUTS
    with beside(target) as stage:
        (stage / record).write_bytes(failure_bytes(reason, code))
        (stage / page).write_bytes(html("Comparison with a baseline", NOT_COMPARED, reason, code).encode())
        _take_place(stage, target, (record, page))


def _take_place(stage: Path, target: Path, names: Sequence[str]) -> None:
    """Moves new files in; the old ones go first: a part of the new ones beside a part of the old says what is not."""
    target.mkdir(exist_ok=True)
    for name in OUTPUTS[1:]:
        (target / name).unlink(missing_ok=True)
    for name in names:
        (stage / name).replace(target / name)


def comparison_of(bundle: Path) -> Path:
    """Where the comparison of a bundle goes unless something else is said: beside it."""
    place = bundle.absolute()
    return place.with_name(f"{place.name}-comparison")


def is_comparison(folder: Path) -> bool:
    """Whether a folder holds a comparison of ours, as its own record says."""
    try:
        content = json.loads((folder / OUTPUTS[0]).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and {"schema", "verdict", "exit_code", "compared"} <= set(content)


def check_target(target: Path) -> None:
    """Refuses a folder that holds something else.

    Raises:
        OutputError: it does, is a file, or cannot be looked into.
    """
    with writing(target):
        if target.exists() and not target.is_dir():
            raise OutputError(Mistake("the output is a file, not a folder", "name another with -o", file=target))
        if target.is_dir() and any(target.iterdir()) and not is_comparison(target):
            told = "the folder holds something that is not a comparison"
            raise OutputError(Mistake(told, "name an empty or new folder with -o", file=target))


def calibrate(
    battery: str | Path, baseline: str | Path, *, runs: int = 5, progress: Progress = lambda line: None
) -> dict[str, ToleranceEntry]:
    """Runs a battery several times with other numbers of threads and other batches, and keeps with a baseline how far
    each number moved.

    Raises:
        BatteryError, ModelError: as `run`.
        BundleError: there is no baseline, or the battery is not the one it was made of.
    """
    from reportgen.running.conditions import threads_of
    from reportgen.workflows.report import measure

    stored = _read(Path(baseline))
    asked = load_battery(Path(battery))
    _check_same(list(asked.probes), stored, Path(baseline))
    threads = max(threads_of(entry) for entry in asked.models.values())
    bundles = []
    for number, (of_run, batch) in enumerate(conditions_of_runs(runs, threads), 1):
        progress(f"run {number} of {runs}: {of_run} threads, batches of {batch}")
        models = {
            id: entry.model_copy(update={"threads": of_run, "batch": batch}) for id, entry in asked.models.items()
        }
        bundles.append(measure(replace(asked, models=models), progress))
    found = tolerances_from(bundles)
    write_tolerances(Path(baseline), found)
    return found


def _read(folder: Path) -> Bundle:
    """A bundle whose numbers are of its last run."""
    restore(folder.resolve())
    bundle = load_bundle(folder)
    refuse_failed(bundle.run, folder)
    return bundle


def tolerances_of(bundle: Bundle) -> dict[str, ToleranceEntry]:
    """What the battery of a bundle tolerates, by glob over PROBE_ID.SUBJECT.NAME.

    Raises:
        BundleError: its run.json says something else.
    """
    try:
        return checked_entries(bundle.run.get("tolerances", {}))
    except ValueError as error:
        file = None if bundle.path is None else bundle.path / RUN
        raise BundleError(damaged(file, f"tolerances: {error}")) from error


def _check_same(probes: Sequence[str], stored: Bundle, baseline: Path) -> None:
    missing = sorted(set(stored.outcomes) - set(probes))
    if missing:
        told = f"the battery does not have the probe {missing[0]} of the baseline"
        raise BundleError(Mistake(told, "accept a bundle of this battery first", file=baseline))
