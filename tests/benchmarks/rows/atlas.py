"""A feature atlas of one dictionary of 2,048 features against the same forward passes alone."""

import statistics

from tests.benchmarks.measurement import Measurement
from tests.benchmarks.processes import run_module
from tests.benchmarks.rows import Bench, Row

TARGET = 1.3
TOKENS, MANY = 10_000, 100_000
MODEL = "gemma"


def measure(bench: Bench) -> list[Measurement]:
    return [_of_tokens(bench, TOKENS, bench.count)]


def measure_many(bench: Bench) -> list[Measurement]:
    return [_of_tokens(bench, MANY, 1)]


def _of_tokens(bench: Bench, tokens: int, count: int) -> Measurement:
    id = MODEL if MODEL in bench.card.models else next(iter(bench.card.models))
    told = run_module("atlas", str(bench.card.models[id]), count, tokens).told
    (ours, clock), (passes, passes_clock) = (
        tuple(statistics.median(column) for column in zip(*told[side], strict=True)) for side in ("ours", "passes")
    )
    what = f"an atlas of {told['features']:,} features over {told['tokens']:,} tokens / the passes alone, {id}"
    note = f"{ours:.1f} s : {passes:.1f} s by CPU; {clock / passes_clock:.2f} by the clock; L0 {told['l0']:.0f}"
    return Measurement(what, ours / passes, TARGET, note=note)


ROW = Row(measure)
MANY_ROW = Row(measure_many, on_demand=True)
