"""Peak resident memory of a whole run."""

from tests.benchmarks.measurement import Measurement
from tests.benchmarks.memory import GIGABYTE, PeakOfTree
from tests.benchmarks.processes import run_module
from tests.benchmarks.rows import Bench, Row

BESIDE_WEIGHTS = 1.0
"""Gigabytes that a run may take in addition to its largest model."""


def measure(bench: Bench) -> list[Measurement]:
    watch = PeakOfTree()
    with bench.card.place() as place:
        run_module("command", "run", bench.card.battery, "-o", place.bundle, env=place.env, watch=watch)
    weights = bench.card.parameters * 4 / GIGABYTE
    note = f"largest weights {weights:.2f} GB; largest child {watch.child / GIGABYTE:.2f} GB"
    return [
        Measurement("peak memory of a run's process", watch.own / GIGABYTE, weights + BESIDE_WEIGHTS, "GB", note),
        Measurement("peak memory of it and its children at one time", watch.together / GIGABYTE, unit="GB"),
    ]


ROW = Row(measure)
