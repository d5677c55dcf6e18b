"""The six probes' own seconds against the floor's."""

from tests.benchmarks.measurement import Measurement
from tests.benchmarks.rows import Bench, Row

TARGET = 1.5


def measure(bench: Bench) -> list[Measurement]:
    found = []
    for id in bench.card.models:
        ours, floor = bench.rounds.told("run", id), bench.rounds.told("floor", id)
        note = f"{ours:.2f} s : {floor:.2f} s"
        found.append(Measurement(f"compute of the six probes / floor, {id}", ours / floor, TARGET, note=note))
    return found


ROW = Row(measure, ("floor", "run"))
