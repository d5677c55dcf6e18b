"""What is the same on every machine that is not the one where the run was started: a task read, and its process run."""

import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from reportgen.engines.local import start_task
from reportgen.engines.task import Demand, Task
from reportgen.processes.talking_child import ending_all

_OF_LIBRARIES = ("REPORTGEN_", "OMP_", "MKL_", "OPENBLAS_", "HF_", "TRANSFORMERS_", "TORCH_", "PYTORCH_", "CUBLAS_")
_SECRET = ("TOKEN", "SECRET", "PASSWORD", "KEY")


def list_variables() -> dict[str, str]:
    """The variables of this process that decide what a task finds, and where; no secrets: each machine has its own."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith(_OF_LIBRARIES) and not name.endswith(_SECRET)
    }


def dump_task(task: Task) -> dict[str, Any]:
    """A task as plain data."""
    paths = {"folder": str(task.folder), "place": str(task.place), "needs": [str(path) for path in task.needs]}
    return asdict(task) | paths


def read_task(dumped: Mapping[str, Any]) -> Task:
    """The task that `dump_task` gave."""
    paths = {"folder": Path(dumped["folder"]), "place": Path(dumped["place"])}
    needs = tuple(Path(path) for path in dumped["needs"])
    return Task(**{**dumped, **paths, "needs": needs, "demand": Demand(**dumped["demand"])})


def run_task(task: Task, tell: Callable[[str], None]) -> str:
    """Runs a task on this machine to its end; why it failed, empty if it did not.

    Args:
        task: with a folder of this machine.
        tell: is told its lines of progress.
    """
    lacking = [path for path in (task.place, *task.needs) if not path.exists()]
    if lacking:
        tell(f"{task.name}: {lacking[0]} is not there on {platform.node()}")
        return "its files are not there on the node that should have measured it: they have to lie on a shared disk"
    hidden = {} if task.demand.gpus else {"CUDA_VISIBLE_DEVICES": ""}  # of a node that has more than was planned for
    with ending_all() as running:
        child = start_task(replace(task, environment={**task.environment, **hidden}))
        running.append(child)
        for words in child.hear_all():
            if "line" in words:
                tell(words["line"])
        return child.explain_failure()
