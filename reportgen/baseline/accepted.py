"""Baselines on disk: a bundle that somebody accepted, with the reason, and the tolerances measured for it."""

import datetime
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reportgen.baseline.tolerance import ToleranceEntry, checked_entries
from reportgen.bundle_folder import staged
from reportgen.errors import BundleError, Mistake
from reportgen.store import Bundle, copy_numbers, load_bundle
from reportgen.yaml_source import read_source, read_text, write_yaml

ACCEPTED = "accepted.yaml"
TOLERANCES = "tolerances.yaml"
FOLDER = "baselines"


@dataclass(frozen=True)
class Acceptance:
    """Why a bundle became the baseline."""

    reason: str
    by: str = ""
    when: str = ""
    """Day and time, UTC."""


def baseline_of(bundle: Path) -> Path:
    """Where the baseline of a bundle lies unless something else is said: `baselines/` beside it, under its name."""
    place = bundle.absolute()
    return place.parent / FOLDER / place.name


def accept(bundle: Path, target: Path, acceptance: Acceptance) -> Bundle:
    """Makes a complete bundle the baseline: its numbers are copied, the reason is written on top of the earlier ones.

    Raises:
        BundleError: a probe failed in it, or it holds a part of its battery only.
        OutputError: the target cannot be written, or holds something that is no baseline.
    """
    stored = load_bundle(bundle)
    if reason := _incomplete(stored):
        raise BundleError(Mistake(f"it cannot become a baseline: {reason}", "run the whole battery first", file=bundle))
    earlier = _acceptances(target)
    tolerances = target / TOLERANCES
    with staged(target) as stage:
        copy_numbers(bundle, stage)
        if tolerances.is_file():
            shutil.copyfile(tolerances, stage / TOLERANCES)
        write_yaml(stage / ACCEPTED, [_written(acceptance), *earlier])
    return load_bundle(target)


def load_tolerances(baseline: Path) -> dict[str, ToleranceEntry]:
    """The tolerances that repeated runs gave, by path PROBE_ID.MODEL_ID.NAME; none where nobody measured them.

    Raises:
        BundleError: the file is damaged.
    """
    file = baseline / TOLERANCES
    if not file.is_file():
        return {}
    source = read_source(read_text(file, "tolerances"), file)
    try:
        return checked_entries({} if source.value is None else source.value)
    except ValueError as error:
        raise BundleError(Mistake(str(error), "calibrate it anew", file=file)) from error


def write_tolerances(baseline: Path, entries: Mapping[str, ToleranceEntry]) -> None:
    """Stores measured tolerances with a baseline that is there."""
    load_bundle(baseline)
    write_yaml(baseline / TOLERANCES, {path: entry.model_dump(exclude_none=True) for path, entry in entries.items()})


def _incomplete(bundle: Bundle) -> str:
    """Why a bundle is not whole; empty where it is."""
    failed = [
        f"{probe_id} on {subject}"
        for probe_id, outcomes in bundle.outcomes.items()
        for subject, outcome in outcomes.items()
        if outcome.status == "failed"
    ]
    if failed:
        return f"{failed[0]} failed{f', and {len(failed) - 1} more' if len(failed) > 1 else ''}"
    only = bundle.run.get("only")
    return f"only {', '.join(map(str, only))} of its probes were run" if only else ""


def _acceptances(target: Path) -> list[Any]:
    """The acceptances so far, the last one first."""
    file = target / ACCEPTED
    if not file.is_file():
        return []
    found = read_source(read_text(file, "acceptances"), file).value
    return found if isinstance(found, list) else []


def _written(acceptance: Acceptance) -> dict[str, str]:
    now = datetime.datetime.now(datetime.UTC).isoformat(" ", "minutes").removesuffix("+00:00") + " UTC"
    told = {"when": acceptance.when or now, "by": acceptance.by, "reason": acceptance.reason}
    return {name: text for name, text in told.items() if text}
