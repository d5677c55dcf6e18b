"""A run whose answers are known, and one of which they nearly are."""

from tests.benchmarks.measurement import Measurement
from tests.benchmarks.rows import Bench, Row

TARGET = 0.12


def measure(bench: Bench) -> list[Measurement]:
    same, same_note = bench.rounds.ratio("again", "run")
    changed, changed_note = bench.rounds.ratio("changed", "run")
    imported = bench.rounds.told("again", "heavy imports")
    return [
        Measurement("the same run again / the first", same, TARGET, note=same_note),
        Measurement("torch, transformers and scikit-learn in it", imported, 0, "imported"),
        Measurement("one probe's options changed / the first run", changed, note=changed_note),
    ]


ROW = Row(measure, ("run", "again", "changed"))
