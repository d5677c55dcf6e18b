"""Commands that run no model."""

from tests.benchmarks.measurement import Measurement
from tests.benchmarks.rows import Bench, Row

AT_ONCE = 0.3
PAGE = 0.2


def measure(bench: Bench) -> list[Measurement]:
    found = [
        Measurement(f"reportgen {told}", bench.rounds.seconds(part), AT_ONCE, "s")
        for part, told in (("help", "--help"), ("probes", "probes"))
    ]
    for part, told in (("page anew", "its figures not known"), ("page", "its figures known")):
        ratio, note = bench.rounds.ratio(part, "run")
        found.append(Measurement(f"render --format html, {told} / reportgen run", ratio, PAGE, note=note))
    return found


ROW = Row(measure, ("run", "page", "page anew", "help", "probes"))
