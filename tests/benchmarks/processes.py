"""Programs run and measured from outside. Linux: processor time and memory are read from /proc and wait4."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[2]
PAUSE = 0.02
"""Seconds between two looks at a process."""

QUIET = {"OMP_WAIT_POLICY": "PASSIVE"}
"""Threads that wait sleep: where they spin, any load next to them takes ten times as long, the notebook's above all."""
Watch = Callable[[int], None]
"""Is called with the process id, again and again while it lives."""


class ProgramFailedError(Exception):
    """A measured program did not end well: there is nothing to measure."""


@dataclass(frozen=True)
class Ran:
    """A program that ended well."""

    seconds: float
    """By the clock, from start to end."""
    cpu_seconds: float
    """Its processors' time and that of the children it waited for."""
    told: Mapping[str, Any] = field(default_factory=dict)
    """The JSON of its last line, or what a part of the benchmark made of it."""


def run_module(
    module: str, *arguments: object, env: Mapping[str, str] | None = None, watch: Watch | None = None
) -> Ran:
    """Runs `python -m tests.benchmarks.MODULE`, whose last line is JSON."""
    return run_program(sys.executable, "-m", f"tests.benchmarks.{module}", *arguments, env=env, watch=watch, tells=True)


def run_program(
    *command: object, env: Mapping[str, str] | None = None, watch: Watch | None = None, tells: bool = False
) -> Ran:
    """Runs a program in the checkout.

    Raises:
        ProgramFailedError: it ended with anything but 0; holds the end of what it said.
    """
    words = [str(word) for word in command]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.perf_counter()
        environment = os.environ | QUIET | dict(env or {})
        process = subprocess.Popen(words, cwd=CHECKOUT, env=environment, stdout=out, stderr=err)
        status, usage = _wait(process.pid, watch)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)  # it was waited for here, not by Popen
        lines, complaint = _text(out).splitlines(), _text(err)
    if process.returncode != 0:
        raise ProgramFailedError(f"{' '.join(words)} ended with {process.returncode}:\n{complaint[-2000:]}")
    told = json.loads(lines[-1]) if tells else {}
    return Ran(seconds, usage.ru_utime + usage.ru_stime, told)


def _wait(pid: int, watch: Watch | None) -> tuple[int, Any]:
    while watch is not None:
        ended, status, usage = os.wait4(pid, os.WNOHANG)
        if ended:
            return status, usage
        watch(pid)
        time.sleep(PAUSE)
    _, status, usage = os.wait4(pid, 0)
    return status, usage


def _text(file: Any) -> str:
    file.seek(0)
    content: bytes = file.read()
    return content.decode(errors="replace")


class Neighbours:
    """How much of the machine others used while we measured."""

    def __init__(self) -> None:
        self._before = _machine_seconds(), _own_seconds()

    def share(self) -> float:
        """Of all processors' time since then, the share that neither idled nor went to us."""
        busy, total = (now - before for now, before in zip(_machine_seconds(), self._before[0], strict=True))
        return max(0.0, busy - (_own_seconds() - self._before[1])) / max(total, 1e-9)


def _machine_seconds() -> tuple[float, float]:
    """(busy, busy or idle), over all processors."""
    ticks = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    idle = ticks[3] + ticks[4]
    per_second = os.sysconf("SC_CLK_TCK")
    return (sum(ticks) - idle) / per_second, sum(ticks) / per_second


def _own_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
