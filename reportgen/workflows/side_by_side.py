"""Several models measured at the same time, each in a process of its own, and their numbers joined.

Each model, and each pair, is a part of its battery like those that are run on several machines: its process measures
what a run of all measures in it, with the same threads. A process that ends without its numbers is a model that failed.
"""

import json
import os
import selectors
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from reportgen.battery.reader import Battery
from reportgen.errors import Mistake, ModelError
from reportgen.numerals import count_items
from reportgen.processes.supervision import explain_end
from reportgen.processes.worker import open_child
from reportgen.results.bundle import Bundle, load_bundle
from reportgen.results.holding import make_folder_beside
from reportgen.results.joining import Parts
from reportgen.workflows.measuring import BatteryChoice, measure
from reportgen.workflows.part_process import PartTask

Progress = Callable[[str], None]
_ENDS_WITHIN = 10.0
"""Seconds that a process has to end by itself once it is told to."""


def measure_side_by_side(
    battery: Battery, chosen: BatteryChoice, jobs: int, target: Path, progress: Progress, *, cache: bool
) -> Bundle:
    """The numbers of a battery, as `measure` gives them, of which `jobs` models or pairs are measured at the same time.

    Args:
        battery: as it was chosen.
        chosen: where it lies, for the processes.
        jobs: how many processes.
        target: the parts lie beside it until they are joined.
        progress: is told one plain line a finished piece of work.
        cache: whether to take what earlier runs found, and to keep what this one finds.

    Raises:
        BatteryError: the battery is wrong, or its models do not fit into memory together; nothing ran.
        ModelError: no model could be used.
    """
    from reportgen.running.division import divide_plan, estimate_work
    from reportgen.running.memory import refuse_too_large
    from reportgen.running.outcome_cache import OutcomeCache
    from reportgen.running.plan import make_plan, make_plan_afresh

    plan = make_plan(battery, progress, OutcomeCache(cache))
    open_subjects = {case.subject for case in plan.cases if not case.settled}
    if len(open_subjects) < 2:
        return measure(battery, progress, cache=cache)
    refuse_too_large(plan, jobs)
    afresh = make_plan_afresh(plan, progress)
    parts = len(estimate_work(afresh))
    split = divide_plan(afresh, parts)
    progress(f"{count_items(len(battery.probes), 'probe')} on {', '.join(battery.models)}, {jobs} at the same time")
    chosen = replace(chosen, commits=plan.commits)
    with make_folder_beside(target) as folder:
        tasks = []
        for number in range(1, parts + 1):
            (folder / str(number)).mkdir()
            tasks.append(PartTask(chosen, f"{number}/{parts}", folder / str(number), cache, os.getpid()))
        failed = _run_processes(tasks, jobs, progress)
        reasons = {number: failed[task] for number, task in enumerate(tasks, 1) if task in failed}
        for number, reason in reasons.items():
            progress(f"{split[number - 1][0]} failed: {reason}")
        if len(reasons) == parts:
            told = [Mistake(f"model {split[number - 1][0]}: {reason}") for number, reason in reasons.items()]
            raise ModelError(*told)
        return Parts([load_bundle(task.folder) for task in tasks if task not in failed]).join(reasons)


def _run_processes(tasks: Sequence[PartTask], jobs: int, progress: Progress) -> dict[PartTask, str]:
    """Runs each task in a process, so many at the same time; why some of them have failed."""
    waiting, failed = list(tasks), {}
    with selectors.DefaultSelector() as selector, _ending_all() as running:
        while waiting or running:
            while waiting and len(running) < jobs:
                started = _start(waiting.pop(0))
                running.append(started)
                selector.register(started.pipe, selectors.EVENT_READ, started)
            for key, _ in selector.select():
                one: _PartProcess = key.data
                lines = one.listen()
                if lines is not None:
                    for line in lines:
                        progress(line)
                    continue
                selector.unregister(one.pipe)
                if reason := one.explain_failure():
                    failed[one.task] = reason
                running.remove(one)
                one.close()
    return failed


def _start(task: PartTask) -> "_PartProcess":
    process = open_child("reportgen.workflows.part_process")
    started = _PartProcess(task, process)
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # it has ended at once, which is seen when it is listened to
        process.stdin.write(task.dump())
        process.stdin.close()
    return started


@contextmanager
def _ending_all() -> Iterator[list["_PartProcess"]]:
    """Processes under way: whatever ends the block, none of them outlives it."""
    running: list[_PartProcess] = []
    try:
        yield running
    finally:
        for one in running:
            one.tell_to_end()
        for one in running:
            one.end()
            one.close()


@dataclass
class _PartProcess:
    """One part under way."""

    task: PartTask
    process: "subprocess.Popen[bytes]"
    error: str = ""
    """Its own last words, where it has failed."""
    _unread: bytes = b""

    @property
    def pipe(self) -> int:
        """What it says comes out of here."""
        assert self.process.stdout is not None
        return self.process.stdout.fileno()

    def listen(self) -> Iterator[str] | None:
        """The lines of progress that have come; None once it has ended."""
        said = os.read(self.pipe, 1 << 16)
        if not said:
            return None
        *lines, self._unread = (self._unread + said).split(b"\n")
        return self._take(lines)

    def _take(self, lines: Sequence[bytes]) -> Iterator[str]:
        for line in lines:
            try:
                words = json.loads(line)
            except ValueError:
                continue
            if isinstance(words, dict):  # a library may print anything
                self.error = words.get("error", self.error)
                if "line" in words:
                    yield words["line"]

    def explain_failure(self) -> str:
        """Why there are no numbers, once it has ended; empty where they are there."""
        code = self.process.wait()
        if code == 0:
            return ""
        return self.error or explain_end(code)

    def tell_to_end(self) -> None:
        """Interrupts it, as Ctrl-C does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def end(self) -> None:
        """Waits until it has ended, and ends it where it does not by itself."""
        try:
            self.process.wait(_ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def close(self) -> None:
        """Closes what it was spoken with through."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
