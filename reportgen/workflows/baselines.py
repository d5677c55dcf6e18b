"""The whole way of a baseline: a bundle that is accepted, and how far its numbers move by themselves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reportgen.baseline.accepted import Acceptance, accept, baseline_of, read_bundle, write_tolerances
from reportgen.baseline.calibrate import conditions_of_runs, measure_tolerances
from reportgen.baseline.calibration import kind_of_machine
from reportgen.baseline.person import find_person
from reportgen.battery.reader import load_battery
from reportgen.errors import BundleError, Mistake
from reportgen.results.bundle import Bundle


@dataclass(frozen=True)
class AcceptedBaseline:
    """A baseline that was written."""

    place: Path
    by: str
    """Who accepted it; empty where nobody is named."""
    source: str
    """Where that name is from; empty where it was given."""


def accept_bundle(bundle: Path, reason: str, *, by: str | None = None, target: Path | None = None) -> AcceptedBaseline:
    """Makes a complete bundle the baseline.

    Args:
        bundle: a folder that `run` wrote.
        reason: why it is how it should be from now on.
        by: who says so; git's user.name, else the user of this machine unless it is given.
        target: the baseline's folder; baselines/NAME next to the bundle unless it is given.

    Raises:
        BundleError, OutputError: as `accept`.
    """
    place = target if target is not None else baseline_of(bundle)
    person = find_person() if by is None else None
    name = by or (person.name if person else "")
    accept(bundle, place, Acceptance(reason, name))
    return AcceptedBaseline(place, name, person.source if person else "")


def calibrate(
    battery: str | Path,
    baseline: str | Path | None = None,
    *,
    runs: int = 5,
    progress: Callable[[str], None] = lambda line: None,
) -> Path:
    """Runs a battery several times with other numbers of threads and other batches, and keeps with a baseline how far
    each number moved on this kind of machine; returns the file that says so.

    Without `baseline`, its folder is baselines/NAME next to the battery.

    Raises:
        BatteryError, ModelError: as `run`.
        BundleError: there is no baseline, or the battery is not the one it was made of.
    """
    from reportgen.running.outcome_key import threads_of
    from reportgen.workflows.measuring import measure

    place = Path(baseline) if baseline is not None else baseline_of(Path(battery).with_suffix(""))
    stored = read_bundle(place)
    asked = load_battery(Path(battery))
    _check_same(list(asked.probes), stored, place)
    threads = max(threads_of(entry) for entry in asked.models.values())
    bundles = []
    for number, (of_run, batch) in enumerate(conditions_of_runs(runs, threads), 1):
        progress(f"run {number} of {runs}: {of_run} threads, batches of {batch}")
        models = {
            id: entry.model_copy(update={"threads": of_run, "batch": batch}) for id, entry in asked.models.items()
        }
        bundles.append(measure(replace(asked, models=models), progress))
    return write_tolerances(place, measure_tolerances(bundles), kind_of_machine(bundles[0]))


def _check_same(probes: Sequence[str], stored: Bundle, baseline: Path) -> None:
    missing = sorted(set(stored.outcomes) - set(probes))
    if missing:
        told = f"the battery does not have the probe {missing[0]} of the baseline"
        raise BundleError(Mistake(told, "accept a bundle of this battery first", file=baseline))
