"""The map of the world on 1,500 cities against its forward passes alone."""

import statistics

from tests.benchmarks.measurement import Measurement
from tests.benchmarks.processes import run_module
from tests.benchmarks.rows import Bench, Row

TARGET = 1.5


def measure(bench: Bench) -> list[Measurement]:
    return [_of_model(id, str(folder)) for id, folder in bench.card.models.items()]


def _of_model(id: str, folder: str) -> Measurement:
    told = run_module("world_map", folder, 1).told
    (ours, clock), (passes, passes_clock) = (
        tuple(statistics.median(column) for column in zip(*told[side], strict=True)) for side in ("ours", "passes")
    )
    what = f"the map of the world on {told['cities']:,} cities, {told['layers']} layers, and its twin / passes, {id}"
    note = f"{ours:.1f} s : {passes:.1f} s by CPU; {clock / passes_clock:.2f} by the clock"
    return Measurement(what, ours / passes, TARGET, note=note)


ROW = Row(measure, on_demand=True)
