"""What more prompts, models and layers cost."""

import statistics
import tempfile

from tests.benchmarks.measurement import Measurement
from tests.benchmarks.processes import run_module
from tests.benchmarks.rows import Bench, Row

KINDS = {
    "prompts": "prompts, numbers alone",
    "models": "models, numbers alone",
    "layers": "layers, numbers alone",
    "pages": "prompts, with figures and page",
}
STRAIGHT = 1.25
"""What a further unit may cost, from 4 to 16 times the work, of what it cost from 1 to 4. Start-up is in neither."""


def measure(bench: Bench) -> list[Measurement]:
    return [_growth(kind, bench.count) for kind in KINDS]


def _growth(kind: str, count: int) -> Measurement:
    with tempfile.TemporaryDirectory() as folder:
        told = run_module("growth", kind, count, folder).told
    costs = {int(times): statistics.median(seconds) for times, seconds in told.items()}
    relative = tuple(costs[times] / costs[1] for times in (1, 4, 16))
    later, earlier = (costs[16] - costs[4]) / 12, (costs[4] - costs[1]) / 3
    note = f"{' : '.join(f'{cost:.3g}' for cost in relative)} at 1, 4, 16 times; once takes {costs[1]:.1f} s"
    return Measurement(
        f"{KINDS[kind]}: a further unit, late / early", later / earlier, STRAIGHT, note=note, series=relative
    )


ROW = Row(measure)
