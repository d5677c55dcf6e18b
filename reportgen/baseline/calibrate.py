"""Tolerances from repeated runs: how far each number moves where nothing but threads and batches changed."""

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np

from reportgen.baseline.tables import ENTRY, RANK, find_largest_move, measure_losses
from reportgen.baseline.tolerance import MEASURED, ToleranceEntry
from reportgen.results.bundle import Bundle
from reportgen.results.quantities import Outcome, Table

MARGIN = 3.0
"""A tolerance is this many times the largest difference seen."""
SMALLEST = 1e-5
"""Share of the largest value that is always tolerated: another processor moves more bits than threads do."""
UNSTABLE = 0.1
"""A number that moves by more than this share of its size between equal runs says nothing: it does not gate."""


def conditions_of_runs(runs: int, threads: int) -> list[tuple[int, int]]:
    """(threads, copies in a batch) of each run; the first is how the battery runs, no two are alike."""
    numbers = dict.fromkeys((threads, *(n for n in (1, 2, 4) if n != threads)))
    ordered = sorted(product(numbers, (1, 2, 4, 8)), key=lambda pair: list(numbers).index(pair[0]) + pair[1])
    kept = [(threads, 1), *(pair for pair in ordered if pair != (threads, 1))]
    return kept[:runs]


def measure_tolerances(bundles: Sequence[Bundle]) -> dict[str, ToleranceEntry]:
    """PROBE_ID.SUBJECT.NAME -> how far it may move, from bundles of one battery; the first is the reference."""
    first, *others = bundles
    found: dict[str, ToleranceEntry] = {}
    for probe_id, outcomes in first.outcomes.items():
        for subject, outcome in outcomes.items():
            again = [other.outcomes[probe_id][subject] for other in others]
            if outcome.status == "ok" and all(one.status == "ok" for one in again):
                found |= {f"{probe_id}.{subject}.{name}": entry for name, entry in _of_outcome(outcome, again)}
    return found


def _of_outcome(outcome: Outcome, again: Sequence[Outcome]) -> Iterator[tuple[str, ToleranceEntry]]:
    for name, metric in outcome.metrics.items():
        if isinstance(metric.value, float):
            values = [one.metrics[name].value for one in again]
            moved = max((abs(value - metric.value) for value in values if value is not None), default=0.0)
            yield name, _entry(moved, abs(metric.value))
    for name, array in outcome.arrays.items():
        if any(one.arrays[name].values.shape != array.values.shape for one in again):
            yield name, ToleranceEntry(gate=False)
            continue
        differences = [np.abs(one.arrays[name].values.astype(np.float64) - array.values) for one in again]
        moved = max((_find_largest(difference) for difference in differences), default=0.0)
        yield name, _entry(moved, _find_largest(np.abs(array.values)))
    for name, table in outcome.tables.items():
        if RANK in table.columns and any(column in table.columns for column in ENTRY):
            yield name, _of_ranking(table, [one.tables[name] for one in again])


def _find_largest(values: np.typing.NDArray[np.floating]) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.max()) if finite.size else 0.0


def _entry(moved: float, size: float) -> ToleranceEntry:
    if moved > UNSTABLE * size and moved > 0:
        return ToleranceEntry(gate=False)
    return ToleranceEntry(abs=_round_up(max(MARGIN * moved, SMALLEST * size)), rel=0.0)


def _of_ranking(table: Table, again: Sequence[Table]) -> ToleranceEntry:
    lost = max((max(measure_losses(table, other), default=0.0) for other in again), default=0.0)
    moved = max((find_largest_move(table, other) for other in again), default=0.0)
    overlap = min(MEASURED.overlap, max(0.0, 1 - MARGIN * lost))
    return ToleranceEntry(abs=_round_up(max(MARGIN * moved, SMALLEST)), rel=0.0, overlap=round(overlap, 3))


def _round_up(value: float) -> float:
    """Up, to two digits: a tolerance is for people to read."""
    if value == 0:
        return 0.0
    power = 10.0 ** (np.floor(np.log10(value)) - 1)
    return float(f"{np.ceil(value / power) * power:.2g}")
