"""A piece of work that an engine has done in a process of its own, somewhere, and what an engine is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from reportgen.errors import ReportgenError

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Demand:
    """What a task takes of the machine that it runs on."""

    cpus: int
    """Threads of its passes."""
    gpus: int
    memory: int
    """Bytes at its peak, estimated."""


@dataclass(frozen=True)
class Task:
    """One process: it is told what to do on stdin, as JSON, and writes files into a folder that is given to it.

    It is started as `python -m MODULE FOLDER PARENT`, with the id of the process that waits for it, and says on stdout
    how it goes: a line of JSON each, `{"line": …}` of progress or `{"error": …}`, its last words.
    """

    name: str
    """What it is about, for a person."""
    module: str
    told: Mapping[str, Any]
    folder: Path
    """Where its files are wanted, on the machine where the run was started: a folder that is there, and empty."""
    demand: Demand
    environment: Mapping[str, str]
    """Variables that its process has, wherever it runs, beside those of its machine."""
    place: Path
    """The folder that it is run in."""
    needs: tuple[Path, ...] = ()
    """Files and folders without which it cannot be done on a machine."""


class Engine(Protocol):
    """Runs tasks."""

    @property
    def manner(self) -> str:
        """How they run, behind what they are: "2 at the same time"."""

    def run(self, tasks: Sequence[Task], progress: Progress) -> dict[str, str]:
        """Runs them all, and returns by name why some failed; the files of the others lie in their folders.

        Raises:
            BatteryError: they ask for what cannot be had; nothing ran.
            EngineFailed: what should have run them is not there, or went away.
        """


class EngineFailed(ReportgenError):
    """What should run the tasks cannot be reached, or was lost; what had been finished is in the cache."""

    exit_code = 1
