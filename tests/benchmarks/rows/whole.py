"""A whole run, with figures, page and PDF, against the notebook."""

from tests.benchmarks.measurement import Measurement
from tests.benchmarks.rows import Bench, Row

TARGET = 0.6


def measure(bench: Bench) -> list[Measurement]:
    ratio, note = bench.rounds.ratio("run", "notebook")
    return [Measurement("reportgen run / the notebook on both models (aim 0.45)", ratio, TARGET, note=note)]


ROW = Row(measure, ("notebook", "run"))
