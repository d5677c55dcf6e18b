"""Baselines on disk: a bundle that somebody accepted, with the reason, and the tolerances measured for it."""

import datetime
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reportgen.baseline.calibration import UNKNOWN
from reportgen.baseline.tolerance import ToleranceEntry, check_entries
from reportgen.documents.yaml_source import Source, read_source, read_text, write_yaml
from reportgen.errors import BatteryError, BundleError, Mistake
from reportgen.results.bundle import Bundle, copy_numbers, load_bundle
from reportgen.results.failure_mark import refuse_failed
from reportgen.results.files import is_bundle, own_files
from reportgen.results.folder import ACCEPTED, check_writable, stage_bundle
from reportgen.results.holding import restore
from reportgen.results.part import refuse_part

TOLERANCES = "tolerances"
"""Files of measured tolerances: tolerances-KIND.yaml for each kind of machine, and tolerances.yaml where that is not
known, as older versions wrote it."""
_TOLERANCES = re.compile(rf"{TOLERANCES}(-(?P<kind>[a-z0-9_-]{{1,100}}))?\.yaml")
FOLDER = "baselines"


@dataclass(frozen=True)
class Acceptance:
    """Why a bundle became the baseline."""

    reason: str
    by: str = ""
    when: str = ""
    """Day and time, UTC."""


def baseline_of(bundle: Path) -> Path:
    """Where the baseline of a bundle lies unless something else is said: `baselines/` next to it, under its name."""
    place = bundle.absolute()
    return place.parent / FOLDER / place.name


def read_bundle(folder: Path) -> Bundle:
    """A bundle whose numbers are of its last run.

    Raises:
        BundleError: there is none, or a damaged one.
        FailedBefore: its last run failed: its numbers say nothing of today.
        PartAlone: it holds a part of its battery only.
    """
    restore(folder.resolve())
    bundle = load_bundle(folder)
    refuse_failed(bundle.run, folder)
    refuse_part(bundle.run, folder)
    return bundle


def accept(bundle: Path, target: Path, acceptance: Acceptance) -> None:
    """Makes a complete bundle the baseline: its numbers are copied, the reason is written on top of the earlier ones.

    Raises:
        BundleError: a probe failed in it, its last run failed, it holds a part of its battery only; or the earlier
            reasons cannot be read.
        OutputError: the target cannot be written, or holds something that is not a baseline.
    """
    stored = read_bundle(bundle)
    if reason := _explain_incomplete(stored):
        raise BundleError(Mistake(f"it cannot become a baseline: {reason}", "run the whole battery first", file=bundle))
    check_writable(target, "baseline")
    earlier = _acceptances(target)
    listed = own_files(target) if is_bundle(target) else []
    with stage_bundle(target, "baseline") as stage:
        copy_numbers(bundle, stage)
        for file in listed:  # others stay as whatever else lies there does
            if _TOLERANCES.fullmatch(str(file)):
                shutil.copyfile(target / file, stage / file)
        write_yaml(stage / ACCEPTED, [_format_acceptance(acceptance), *earlier])


def load_tolerances(baseline: Path) -> dict[str, dict[str, ToleranceEntry]]:
    """Kind of machine -> the tolerances that repeated runs gave on it, by path PROBE_ID.MODEL_ID.NAME; nothing where
    nobody measured them.

    Raises:
        BundleError: one of the files is damaged.
    """
    by_kind = {}
    for file in sorted(baseline.glob(f"{TOLERANCES}*.yaml")):
        if file.is_file() and (found := _TOLERANCES.fullmatch(file.name)):
            by_kind[found["kind"] or UNKNOWN] = _read_tolerances(file)
    return by_kind


def _read_tolerances(file: Path) -> dict[str, ToleranceEntry]:
    source = _read_baseline_file(file, "tolerances", "calibrate it again")
    try:
        return check_entries({} if source.value is None else source.value)
    except ValueError as error:
        raise BundleError(Mistake(str(error), "calibrate it again", file=file)) from error


def write_tolerances(baseline: Path, entries: Mapping[str, ToleranceEntry], kind: str = UNKNOWN) -> Path:
    """Stores tolerances that were measured on a kind of machine with a baseline that is there; returns the file."""
    load_bundle(baseline)
    file = baseline / (f"{TOLERANCES}-{kind}.yaml" if kind else f"{TOLERANCES}.yaml")
    write_yaml(file, {path: entry.model_dump(exclude_none=True) for path, entry in entries.items()})
    return file


def _explain_incomplete(bundle: Bundle) -> str:
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


def _acceptances(target: Path) -> list[dict[str, Any]]:
    """The acceptances so far, the last one first.

    Raises:
        BundleError: they cannot be read, and would be lost.
    """
    file = target / ACCEPTED
    if not file.is_file():
        return []
    remedy = "repair it, so that no reason is lost: a list of when, by and reason"
    found = _read_baseline_file(file, "acceptances", remedy).value
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise BundleError(Mistake("the earlier reasons are not a list of mappings", remedy, file))
    return found


def _read_baseline_file(file: Path, what: str, remedy: str) -> Source:
    """A YAML file of a baseline.

    Raises:
        BundleError: something in it cannot be read.
    """
    try:
        source = read_source(read_text(file, what), file)
        mistakes: Sequence[Mistake] = source.mistakes([])
    except BatteryError as error:
        mistakes = error.mistakes
    if mistakes:
        raise BundleError(*(replace(mistake, remedy=remedy, file=file) for mistake in mistakes))
    return source


def _format_acceptance(acceptance: Acceptance) -> dict[str, str]:
    now = datetime.datetime.now(datetime.UTC).isoformat(" ", "minutes").removesuffix("+00:00") + " UTC"
    told = {"when": acceptance.when or now, "by": acceptance.by, "reason": acceptance.reason}
    return {name: text for name, text in told.items() if text}
