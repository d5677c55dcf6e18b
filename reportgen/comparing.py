"""The whole way of a comparison, as the command line and Python call it: two bundles to verdicts and their outputs."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from reportgen.baseline.accepted import load_tolerances, write_tolerances
from reportgen.baseline.calibrate import conditions_of_runs, tolerances_from
from reportgen.baseline.compare import Comparison
from reportgen.baseline.compare import compare as compared
from reportgen.baseline.tolerance import ToleranceEntry, checked_entries
from reportgen.battery import load_battery
from reportgen.bundle_folder import beside
from reportgen.bundle_schema import damaged
from reportgen.cache import make_room
from reportgen.errors import BundleError, Mistake, OutputError
from reportgen.store import RUN, Bundle, load_bundle

OUTPUTS = ("comparison.json", "comparison.html", "comparison.pdf")
Progress = Callable[[str], None]


def compare(baseline: str | Path, bundle: str | Path) -> Comparison:
    """A bundle against its baseline: `compare(old, new).verdict`.

    The bundle's battery says what is tolerated; what a calibration measured is taken from the baseline.

    Raises:
        BundleError: one of the two is no bundle, or a damaged one.
    """
    before, after = load_bundle(Path(baseline)), load_bundle(Path(bundle))
    return compared(before, after, tolerances_of(after), load_tolerances(Path(baseline)))


def write(
    comparison: Comparison, target: Path, formats: Sequence[str], progress: Progress = lambda line: None
) -> list[str]:
    """Writes comparison.json and the pages into a folder, whole or not at all; gives their names.

    Raises:
        OutputError: the folder cannot be written, or holds something else.
    """
    from reportgen.report.comparison import write_comparison

    _check_target(target)
    with beside(target) as stage:
        names = write_comparison(comparison, stage, formats, progress=progress)
        target.mkdir(exist_ok=True)
        for old in (target / name for name in OUTPUTS if name not in names):
            old.unlink(missing_ok=True)
        for name in names:
            (stage / name).replace(target / name)
    make_room()
    return names


def comparison_of(bundle: Path) -> Path:
    """Where the comparison of a bundle goes unless something else is said: beside it."""
    place = bundle.absolute()
    return place.with_name(f"{place.name}-comparison")


def _check_target(target: Path) -> None:
    """Refuses a folder that holds something else."""
    if target.exists() and not target.is_dir():
        raise OutputError(Mistake("the output is a file, not a folder", "name another with -o", file=target))
    if target.is_dir() and any(target.iterdir()) and not (target / OUTPUTS[0]).is_file():
        told = "the folder holds something that is no comparison"
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
    from reportgen.conditions import threads_of
    from reportgen.workflow import measure

    stored = load_bundle(Path(baseline))
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
