"""Runs in processes that share what one has imported: a kill then falls into their work, not into its imports."""

import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CAREFUL = {"OMP_NUM_THREADS": "1", "CI": "1"}


@dataclass(frozen=True)
class Asked:
    """One run that is to be killed, or two at once."""

    battery: str
    output: str
    cache: str
    log: str
    """Gets a line each time a piece of work is finished."""
    seed: int = 0
    formats: Sequence[str] = ()
    """Options of the command line that choose its outputs."""


def run_here(asked: Asked) -> int:
    """The exit code of the command line in this process, which keeps its own cache."""
    from reportgen.cli import run_command

    os.environ["REPORTGEN_CACHE"] = asked.cache
    log = os.open(asked.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    return run_command(["run", asked.battery, "-o", asked.output, *asked.formats])


def fork_run(asked: Asked) -> int:
    """The id of a process that runs, and does nothing else."""
    child = os.fork()
    if not child:
        code = 70
        try:
            os.setsid()  # what it starts is ended with it
            code = run_here(asked)
        finally:
            os._exit(code)
    return child


def wait_for(child: int) -> int:
    """The exit code of a process, or less than 0 for the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_at(asked: Asked, longest: float) -> dict[str, Any]:
    """Kills a run at a moment that its seed chooses, and says when and how it ended."""
    moment = random.Random(asked.seed).uniform(0, longest)
    child = fork_run(asked)
    timer = threading.Timer(moment, os.killpg, (child, signal.SIGKILL))
    timer.start()
    code = wait_for(child)
    timer.cancel()
    timer.join()
    return {"seed": asked.seed, "moment": moment, "code": code}


def measure_whole(asked: Asked) -> float:
    """Seconds that a run takes which nobody kills."""
    started = time.perf_counter()
    assert wait_for(fork_run(asked)) == 0
    return time.perf_counter() - started


def main() -> None:
    """Does what it is told in a file of JSON: kills runs, or runs several at once."""
    import torch  # noqa: F401  (what every run would import)
    import transformers  # noqa: F401

    import reportgen.report.document
    import reportgen.running.execute
    import reportgen.workflows.report  # noqa: F401

    told = json.loads(Path(sys.argv[1]).read_text())
    runs = [Asked(**one) for one in told["runs"]]
    if told["how"] == "kill":
        longest = measure_whole(runs[0])
        found: list[Any] = [kill_at(one, longest) for one in runs[1:]]
    else:
        children = [fork_run(one) for one in runs]
        found = [wait_for(child) for child in children]
    Path(sys.argv[2]).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
