"""Where a run's time goes: a battery's work done phase by phase, each with its processor time.

    python -m tests.benchmarks.phases BATTERY FOLDER

Prints {"phase": CPU seconds}, those of the processes that print included. Nothing is known of it beforehand but what
the cache of REPORTGEN_CACHE holds; what one phase has drawn the next finds there, as in a run.
"""

import json
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reportgen.battery.reader import load_battery

PHASES = ("plan", "libraries", "load", "probes", "page", "pdf", "figures", "slides")
"""In the order in which they are done; slides are not among what a run makes unless asked."""


class Clock:
    """Processor time by phase."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str, less: str = "") -> Iterator[None]:
        """Counts what is done within; without what was counted under `less` meanwhile."""
        before, other = _cpu_seconds(), self.seconds.get(less, 0.0)
        yield
        spent = _cpu_seconds() - before - (self.seconds.get(less, 0.0) - other)
        self.seconds[name] = self.seconds.get(name, 0.0) + spent


def _cpu_seconds() -> float:
    """Of this process, and of those that it has waited for."""
    own, ended = (resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime


def time_phases(battery: Path, folder: Path) -> dict[str, float]:
    """Does the battery's work, and says what each phase took."""
    from reportgen.running.outcome_cache import OutcomeCache
    from reportgen.running.plan import make_plan

    clock = Clock()
    with clock.phase("plan"):
        plan = make_plan(load_battery(battery), cache=OutcomeCache())
    with clock.phase("libraries"):
        from reportgen.model import load as _  # noqa: F401 - torch and transformers
        from reportgen.running.ready import import_libraries

        import_libraries(case for model in plan.models for case in model.cases)
    _time_measuring(clock, battery, folder)
    _time_outputs(clock, folder)
    return {name: clock.seconds[name] for name in PHASES}


def _time_measuring(clock: Clock, battery: Path, folder: Path) -> None:
    from reportgen import run
    from reportgen.running import execute

    load_network = execute.load_network

    def timed(*arguments: object) -> object:
        with clock.phase("load"):
            return load_network(*arguments)

    execute.load_network = timed
    with clock.phase("probes", less="load"):
        run(battery, folder, formats=())


def _time_outputs(clock: Clock, folder: Path) -> None:
    from reportgen.workflows.report import render

    formats_of = {"page": ["html"], "pdf": ["pdf"], "figures": ["figures"], "slides": ["slides", "pptx"]}
    for name, formats in formats_of.items():
        with clock.phase(name):
            render(folder, formats=formats)


if __name__ == "__main__":
    # One thread each, so that processor time is what the work costs and not what waits for it.
    os.environ["OMP_NUM_THREADS"] = "1"
    sys.stdout.write(json.dumps(time_phases(*map(Path, sys.argv[1:]))) + "\n")
