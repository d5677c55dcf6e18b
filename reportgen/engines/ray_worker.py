"""What runs on the workers of a Ray cluster: plain data come in, plain data go back."""

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from reportgen.engines.elsewhere import read_task, run_task


class Board:
    """Where tasks write how they go, for the driver to read: an actor of Ray."""

    def __init__(self) -> None:
        self._written: list[str] = []
        self._begun: set[str] = set()

    def begin(self, name: str) -> None:
        """A task begins; where it did so before, its worker was lost since."""
        if name in self._begun:
            self._written.append(f"{name}: its worker was lost; started again")
        self._begun.add(name)

    def write(self, line: str) -> None:
        """A line of progress."""
        self._written.append(line)

    def take(self) -> list[str]:
        """What was written since it was last asked."""
        taken, self._written = self._written, []
        return taken


def run_on_worker(dumped: Mapping[str, Any], board: Any) -> dict[str, Any]:
    """Runs a task: the content of its files by name, or the reason why it failed.

    Args:
        dumped: by `dump_task`.
        board: the handle of a `Board`.
    """
    task = read_task(dumped)
    board.begin.remote(task.name)
    with tempfile.TemporaryDirectory(prefix="reportgen-") as folder:
        reason = run_task(replace(task, folder=Path(folder)), board.write.remote)
        files = {} if reason else {file.name: file.read_bytes() for file in sorted(Path(folder).iterdir())}
    return {"reason": reason, "files": files}
