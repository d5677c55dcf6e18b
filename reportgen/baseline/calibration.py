"""Which measured tolerances hold for a bundle: those of its kind of machine, else the widest of all kinds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reportgen.baseline.tolerance import ToleranceEntry
from reportgen.results.bundle import Bundle
from reportgen.results.provenance import name_machine_kind

UNKNOWN = ""
"""The kind of machine of tolerances that do not say on which they were measured, and of bundles that do not say it."""
TOLD = 3
"""Kinds that are told by name."""


@dataclass(frozen=True)
class Calibration:
    """Tolerances that repeated runs gave."""

    entries: Mapping[str, ToleranceEntry] = field(default_factory=dict)
    told: str = ""
    """That they were measured on machines of other kinds than the bundle's; empty where they were not, or there are
    none."""


def kind_of_machine(bundle: Bundle) -> str:
    """What kind of machine a bundle was measured on; `UNKNOWN` where it does not say."""
    devices = [str(card.facts.get("device") or "") for card in bundle.models.values()]
    return name_machine_kind(bundle.run.get("machine", {}), devices)


def choose_tolerances(
    by_kind: Mapping[str, Mapping[str, ToleranceEntry]], kind: str, of_baseline: str = UNKNOWN
) -> Calibration:
    """The tolerances that hold for a bundle, of all that were measured by kind of machine.

    Those of its kind, widened to those of the baseline's where that is another one: the two differ by what either kind
    moves. Where nobody measured them on its kind, the widest of all.
    """
    if not by_kind:
        return Calibration()
    if kind in by_kind:
        return Calibration(widen_tolerances(by_kind[one] for one in {kind: 0, of_baseline: 0} if one in by_kind))
    return Calibration(widen_tolerances(by_kind.values()), _tell_others(list(by_kind), kind))


def _tell_others(measured: Sequence[str], kind: str) -> str:
    """That nobody measured them on this kind of machine, but on others."""
    known = [one for one in measured if one != UNKNOWN]
    places = [*known[:TOLD], *([f"{len(known) - TOLD} more"] if len(known) > TOLD else [])]
    places += ["a machine that was not recorded"] if UNKNOWN in measured else []
    hold = "the widest of them hold" if len(measured) > 1 else "those hold"
    machine = kind or "the machine of this bundle, which it does not name"
    told = f"tolerances were not measured on {machine}, but on {', '.join(places)}: {hold}"
    return f"{told}; reportgen baseline calibrate measures them here"


def widen_tolerances(measured: Iterable[Mapping[str, ToleranceEntry]]) -> dict[str, ToleranceEntry]:
    """Glob -> of several limits the widest: the largest difference, the smallest overlap; what does not gate on one
    kind of machine does not gate. What one of them leaves open another may say.
    """
    found: dict[str, ToleranceEntry] = {}
    for entries in measured:
        for glob, entry in entries.items():
            found[glob] = _widen(found[glob], entry) if glob in found else entry
    return found


def _widen(one: ToleranceEntry, other: ToleranceEntry) -> ToleranceEntry:
    def list_given(name: str) -> list[Any]:
        return [limit for entry in (one, other) if (limit := getattr(entry, name)) is not None]

    return ToleranceEntry(
        abs=max(list_given("abs"), default=None),
        rel=max(list_given("rel"), default=None),
        overlap=min(list_given("overlap"), default=None),
        direction=one.direction or other.direction,
        gate=min(list_given("gate"), default=None),
    )
