"""Edited passes against one forward a variant: what lies below an edit is shared, and the rest goes in batches."""

import statistics

from tests.benchmarks.measurement import Measurement
from tests.benchmarks.processes import run_module
from tests.benchmarks.rows import Bench, Row

TARGET = 0.5


def measure(bench: Bench) -> list[Measurement]:
    return [one for id, model in bench.card.models.items() for one in _of_model(id, str(model), bench.count)]


def _of_model(id: str, model: str, count: int) -> list[Measurement]:
    told = run_module("sweep", model, count).told
    (ours, clock), (apart, apart_clock) = (
        tuple(statistics.median(column) for column in zip(*told[side], strict=True)) for side in ("ours", "separate")
    )
    sweep = f"{told['layers']} layers x {told['variants'] // told['layers']} coefficients"
    note = f"{ours:.2f} s : {apart:.2f} s by CPU; {clock / apart_clock:.2f} by the clock; apart {told['apart']:.1g}"
    return [Measurement(f"{sweep} / as many forwards, {id}", ours / apart, TARGET, note=note)]


ROW = Row(measure)
