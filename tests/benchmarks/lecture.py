"""A battery's probes on a model that is loaded, and their passes and unembeddings bare.

    python -m tests.benchmarks.lecture BATTERY MODEL ROUNDS

Prints {"ours": [[cpu seconds, seconds], …], "bare": […], "probes": {ID: [cpu seconds, …]}, "passes", "tokens",
"rows"}: a pair a round, taken in turn in one process; loading and planning not counted. On one thread: one that waits
for another spends a processor's time and does nothing.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from reportgen.battery.reader import load_battery
from reportgen.cache import Shelf, UnfinishedWork
from reportgen.model.network.loaded import LoadedModel
from reportgen.running.cases import join_passes, measure_case
from reportgen.running.plan import make_plan
from reportgen.running.planned import PlannedModel
from reportgen.running.ready import ReadyModel, import_libraries, load_network
from tests.benchmarks.bare_work import do_bare, written_down

Seconds = tuple[float, float]
"""By the processors, and by the clock."""
NOWHERE = UnfinishedWork(Shelf("", used=False), "", lambda: None)


class Lecture:
    """A planned model, loaded and proven as a run does it."""

    def __init__(self, battery: Path, id: str) -> None:
        plan = make_plan(load_battery(battery))
        planned = next(planned for planned in plan.models if planned.id == id)
        self.planned: PlannedModel = replace(planned, entry=planned.entry.model_copy(update={"threads": 1}))
        readied = self.planned.readied
        assert readied is not None
        self.model: LoadedModel = load_network(self.planned, readied)
        import_libraries(self.planned.cases)

    def measure(self) -> dict[str, float]:
        """Runs every probe as a run does it, numbers alone, no cache; probe id -> its processors' seconds."""
        assert self.planned.readied is not None
        # What was proven when a probe first asked for it is proven again: a run does it once.
        self.model.reasons_against.clear()
        # Norms that a run computes once belong to the run.
        self.model.__dict__.pop("embedding_norms", None)
        cases = self.planned.cases
        passing = join_passes(
            ReadyModel(self.planned, None, {}, self.model),  # type: ignore[arg-type]
            [case.sides[0] for case in cases if case.sides],
        )
        spent = {}
        for case in cases:
            began = time.process_time()
            outcome = measure_case(case, [passing], lambda line: None, NOWHERE)
            spent[case.entry.id] = time.process_time() - began
            assert outcome.status != "failed", outcome.reason
        return spent


def time_call(what: Callable[[], object]) -> Seconds:
    cpu, clock = time.process_time(), time.perf_counter()
    what()
    return time.process_time() - cpu, time.perf_counter() - clock


def main(battery: str, id: str, rounds: str) -> None:
    lecture = Lecture(Path(battery), id)
    ours: list[Seconds] = []
    bare: list[Seconds] = []
    probes: dict[str, list[float]] = {}

    def measure() -> None:
        for probe, seconds in lecture.measure().items():
            probes.setdefault(probe, []).append(seconds)

    for _ in range(int(rounds)):
        with written_down() as work:
            ours.append(time_call(measure))
        bare.append(time_call(lambda: do_bare(lecture.model, work)))
    told = {"ours": ours, "bare": bare, "probes": probes}
    counted = {"passes": len(work.passes), "tokens": work.tokens, "rows": work.rows}
    sys.stdout.write(json.dumps(told | counted) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
