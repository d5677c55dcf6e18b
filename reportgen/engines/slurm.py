"""Tasks as one array job of Slurm, through submitit: one element per task, and all they write is on a shared disk."""

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reportgen.engines.elsewhere import dump_task, read_task, run_task
from reportgen.engines.task import EngineFailed, Progress, Task
from reportgen.errors import BatteryError, Mistake

KEYS = {
    "partition": "slurm_partition",
    "account": "slurm_account",
    "qos": "slurm_qos",
    "constraint": "slurm_constraint",
    "time": "timeout_min",
    "memory": "mem_gb",
    "at_once": "slurm_array_parallelism",
}
"""What `--slurm KEY=VALUE` may say -> what submitit calls it."""
NUMBERS = ("time", "memory", "at_once")
_MINUTES = 120
_EVERY = 0.5
"""Seconds between two looks at what the jobs have written."""
_LINES = "progress.jsonl"
_SPARE = 1.25
"""Slurm ends what takes more memory than it asked for, and an estimate is one."""


@dataclass(frozen=True)
class SlurmEngine:
    """The cluster whose commands this machine has."""

    settings: Mapping[str, str | int]
    """By the names of `KEYS`."""
    logs: Path
    """Where submitit keeps its files and what the jobs print; removed where all of them end well."""

    @property
    def manner(self) -> str:
        """How tasks run."""
        return "as an array job of Slurm"

    def run(self, tasks: Sequence[Task], progress: Progress) -> dict[str, str]:
        """Runs each as an element of one array job."""
        executor = open_executor(self.logs)
        executor.update_parameters(**self._ask_for(tasks))
        jobs = _submit(executor, tasks)
        waiting = [_Job(job, task) for job, task in zip(jobs, tasks, strict=True)]
        progress(f"{executor.cluster} job {jobs[0].job_id}: logs in {self.logs}")
        failed: dict[str, str] = {}
        try:
            while waiting:
                time.sleep(_EVERY)
                ended = [one for one in waiting if one.job.done()]
                for one in waiting:
                    one.tell_progress(progress)
                for one in ended:
                    waiting.remove(one)
                    if reason := one.explain_failure():
                        failed[one.task.name] = reason
        finally:
            for one in waiting:
                one.job.cancel()
        if not failed:
            shutil.rmtree(self.logs, ignore_errors=True)
        return failed

    def _ask_for(self, tasks: Sequence[Task]) -> dict[str, Any]:
        """One request for all of them, which is that of the largest: the elements of an array are alike."""
        memory = max(task.demand.memory for task in tasks)
        asked = {
            "name": "reportgen",
            "timeout_min": _MINUTES,
            "mem_gb": max(1, round(memory * _SPARE / 1e9 + 0.5)),
            "cpus_per_task": max(task.demand.cpus for task in tasks),
            "gpus_per_node": max(task.demand.gpus for task in tasks),
        }
        return asked | {KEYS[key]: value for key, value in self.settings.items()}


def read_settings(written: Sequence[str]) -> dict[str, str | int]:
    """The values of KEY=VALUE, each.

    Raises:
        BatteryError: one of them is none.
    """
    settings: dict[str, str | int] = {}
    for one in written:
        key, _, value = one.partition("=")
        if key not in KEYS or not value:
            raise BatteryError(Mistake(f"--slurm: {one!r} is not KEY=VALUE", f"KEY is one of {', '.join(KEYS)}"))
        if key in NUMBERS and not (value.isascii() and value.isdecimal() and int(value) > 0):
            units = {"time": "minutes", "memory": "GB", "at_once": "jobs"}
            raise BatteryError(Mistake(f"--slurm: {one!r}: not a number", f"write {key} in whole {units[key]}"))
        settings[key] = int(value) if key in NUMBERS else value
    return settings


def open_executor(logs: Path) -> Any:
    """What submits jobs.

    Raises:
        EngineFailed: Slurm's commands are not here.
    """
    if shutil.which("sbatch") is None:
        told = "--engine slurm: there is no sbatch on this machine"
        raise EngineFailed(Mistake(told, "run it where jobs are submitted, as on a login node"))
    import submitit

    return submitit.AutoExecutor(folder=logs, cluster="slurm")


def _submit(executor: Any, tasks: Sequence[Task]) -> list[Any]:
    from submitit.core.utils import FailedJobError

    try:
        return list(executor.map_array(run_job, [dump_task(task) for task in tasks]))
    except FailedJobError as error:
        told = " ".join(str(error).split())
        raise EngineFailed(Mistake(f"--engine slurm: the job was refused: {told}", "see --slurm KEY=VALUE")) from error


def run_job(dumped: Mapping[str, Any]) -> int:
    """What runs in a job: its exit code, once it has said in a file of its folder how it went."""
    task = read_task(dumped)
    with (task.folder / _LINES).open("a", encoding="utf-8") as stream:

        def tell_line(**words: str) -> None:
            stream.write(json.dumps(words) + "\n")
            stream.flush()

        reason = run_task(task, lambda line: tell_line(line=line))
        tell_line(ended=reason)
    return 1 if reason else 0


class _Job:
    """A job under way."""

    def __init__(self, job: Any, task: Task) -> None:
        self.job: Any = job
        self.task = task
        self._read = 0
        self._reason: str | None = None
        """None where it has not said how it ended."""

    def tell_progress(self, progress: Progress) -> None:
        """Tells the lines that it has written since."""
        with suppress(FileNotFoundError), (self.task.folder / _LINES).open("rb") as stream:
            stream.seek(self._read)
            *lines, rest = stream.read().split(b"\n")
            self._read = stream.tell() - len(rest)
            for words in map(json.loads, lines):
                if "line" in words:
                    progress(words["line"])
                self._reason = words.get("ended", self._reason)

    def explain_failure(self) -> str:
        """Why there are no numbers, once it has ended; empty where they are there."""
        if self._reason is not None:
            return self._reason
        return f"its job {self.job.job_id} ended ({self.job.state.lower()}): {self._read_last_line()}"

    def _read_last_line(self) -> str:
        """The last line of its log."""
        for file in (self.job.paths.stderr, self.job.paths.stdout):
            with suppress(OSError):
                lines: list[str] = [line for line in file.read_text(errors="replace").splitlines() if line.strip()]
                if lines:
                    return lines[-1].strip()
        return f"it has written nothing into {self.job.paths.stdout}"
