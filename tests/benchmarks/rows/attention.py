"""Attention: memory on a long prompt beside the same pass with nothing kept; a picture and a report of many heads."""

import statistics

from tests.benchmarks.measurement import Measurement
from tests.benchmarks.processes import run_module
from tests.benchmarks.rows import Bench, Row

TOKENS = 2048
LAYERS = 1
SECONDS = 1.0
MEGABYTES = 3.0


def measure(bench: Bench) -> list[Measurement]:
    return [*long_prompt(bench), *many_heads(bench)]


def long_prompt(bench: Bench) -> list[Measurement]:
    model = next(iter(bench.card.models.values()))
    rounds = [
        {way: run_module("long_attention", model, TOKENS, way).told for way in ("thrown-away", "reduced")}
        for _ in range(bench.count)
    ]
    beside = statistics.median(told["reduced"]["peak"] - told["thrown-away"]["peak"] for told in rounds)
    seconds = statistics.median(told["reduced"]["seconds"] / told["thrown-away"]["seconds"] for told in rounds)
    layer = rounds[0]["reduced"]["attention of a layer"]
    kept = rounds[0]["reduced"]["kept"]
    note = f"{beside / 1e6:.0f} MB, of which {kept / 1e6:.0f} MB stay; a layer's attention is {layer / 1e6:.0f} MB"
    what = f"attention of {TOKENS:,} tokens: memory beside a pass that keeps nothing, in layers"
    return [
        Measurement(what, beside / layer, LAYERS, note=note),
        Measurement(f"attention of {TOKENS:,} tokens / the pass that keeps nothing", seconds),
    ]


def many_heads(bench: Bench) -> list[Measurement]:
    told = []
    for _ in range(bench.count):
        with bench.card.place() as place:
            told.append(run_module("many_heads", place.folder, env=place.env).told)
    drawn = statistics.median(one["drawn for the page"] for one in told)
    files = statistics.median(one["drawn as files"] for one in told)
    sizes = told[0]["bytes"]
    note = ", ".join(f"{name} {size / 1e6:.2f} MB" for name, size in sizes.items())
    return [
        Measurement("28 x 24 heads drawn for the page", drawn, SECONDS, "s"),
        Measurement("28 x 24 heads drawn as SVG, PNG and PDF files", files, unit="s"),
        Measurement("the report of them", max(sizes.values()) / 1e6, MEGABYTES, "MB", note),
    ]


ROW = Row(measure)
