"""The process that speaks with Ray: it is told tasks on stdin, and says on stdout, a line of JSON each, how they go.

`joined` once the cluster is there; `refused` where no node of it can ever run one of them; `line`; `failed` for a task
without numbers. The files of all others lie in their folders when it ends with 0.
"""

import json
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, OutOfMemoryError, RayActorError, RayError, RayTaskError, TaskCancelledError

from reportgen.engines.elsewhere import read_task
from reportgen.engines.ray_worker import Board, run_on_worker
from reportgen.engines.task import Demand, Task
from reportgen.errors import reason_of
from reportgen.numerals import count_items, write_decimals
from reportgen.processes.supervision import end_with

_RETRIES = 2
"""Times that a task is started again whose worker was lost; one that fails by itself is not."""
_EVERY = 0.5
"""Seconds between two looks at the board."""
_ANSWERS_WITHIN = 10.0
"""Seconds in which the head of a cluster is to be reached."""
_ENDS_WITHIN = 4.0
"""Seconds in which tasks that are cancelled may end by themselves."""


def main() -> None:
    """Runs all tasks."""
    told = json.loads(sys.stdin.buffer.read())
    end_with(int(sys.argv[1]))
    sys.exit(_run(told))


def _run(told: Mapping[str, Any]) -> int:
    tasks = {one["name"]: one for one in told["tasks"]}
    try:
        _join_cluster(told["address"], told["temporary"])
        _say(joined=True)
        if _refuse_unfit([read_task(one) for one in tasks.values()]):
            return 0
        _run_all(tasks)
        ray.shutdown()
    except KeyboardInterrupt:
        return 130
    except (RayError, ConnectionError, RuntimeError, ValueError, OSError) as error:  # whatever Ray says of a cluster
        _say(error=reason_of(error))
        return 1
    return 0


def _join_cluster(address: str | None, temporary: str) -> None:
    """Joins the cluster, or starts one, which then keeps all that it writes in a folder of its own."""
    if address is not None:
        _knock(address)
    own: dict[str, Any] = {"include_dashboard": False, "_temp_dir": temporary} if address is None else {}
    ray.init(address=address or "local", log_to_driver=False, configure_logging=False, **own)
    signal.signal(signal.SIGTERM, _interrupt)  # Ray takes it for itself


def _knock(address: str) -> None:
    """Raises OSError where nobody listens, which Ray itself finds out after minutes only."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=_ANSWERS_WITHIN).close()


def _interrupt(number: int, frame: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # what follows is not to be interrupted again
    raise KeyboardInterrupt


def _refuse_unfit(tasks: Sequence[Task]) -> bool:
    """Says of the first task that no node can ever run that it would wait for ever."""
    known: Any = ray.nodes  # without types of its own
    nodes = [_resources_of(node["Resources"]) for node in known() if node["Alive"]]
    for task in tasks:
        if not any(_fits(task.demand, node) for node in nodes):
            largest = max(nodes, key=lambda node: (node.gpus, node.memory, node.cpus))
            told = f"{task.name} takes {_describe(task.demand)}, and no node of the Ray cluster has as much"
            remedy = f"the largest node has {_describe(largest)}; choose fewer --threads, or add a node"
            _say(refused=f"--engine ray: {told}", remedy=remedy)
            return True
    return False


def _resources_of(told: Mapping[str, float]) -> Demand:
    return Demand(int(told.get("CPU", 0)), int(told.get("GPU", 0)), int(told.get("memory", 0)))


def _fits(asked: Demand, node: Demand) -> bool:
    return all(value <= asdict(node)[name] for name, value in asdict(asked).items())


def _describe(demand: Demand) -> str:
    counts = f"{count_items(demand.cpus, 'CPU')}, {count_items(demand.gpus, 'GPU')}"
    return f"{counts} and {write_decimals(demand.memory / 1e9, 1)} GB of memory"


def _run_all(tasks: Mapping[str, Mapping[str, Any]]) -> None:
    board = ray.remote(Board).options(num_cpus=0, max_restarts=-1).remote()
    work: Any = ray.remote(run_on_worker)
    open_tasks = {}
    try:
        for name, dumped in tasks.items():
            demand = Demand(**dumped["demand"])
            asked = {"num_cpus": demand.cpus, "num_gpus": demand.gpus, "memory": demand.memory}
            open_tasks[work.options(max_retries=_RETRIES, name=name, **asked).remote(dumped, board)] = name
        while open_tasks:
            ended, _ = ray.wait(list(open_tasks), timeout=_EVERY)
            _tell_progress(board)
            for reference in ended:
                name = open_tasks.pop(reference)
                if reason := _take(reference, Path(tasks[name]["folder"])):
                    _say(failed=name, reason=reason)
    finally:
        _cancel(list(open_tasks))


def _tell_progress(board: Any) -> None:
    with suppress(RayActorError, GetTimeoutError):  # lost with its node, it is started again; its lines are gone
        for line in ray.get(board.take.remote(), timeout=_EVERY * 10):
            _say(line=line)


def _take(reference: Any, folder: Path) -> str:
    """Writes the files of a task that has ended; or the reason why there are none."""
    try:
        found: dict[str, Any] = ray.get(reference)
    except OutOfMemoryError:
        return "its worker was ended, because the memory of its node ran out"
    except RayTaskError as error:
        return reason_of(error.cause)
    except (RayActorError, TaskCancelledError):
        raise
    except RayError as error:
        return f"its worker was lost {count_items(_RETRIES + 1, 'time')} ({type(error).__name__})"
    for name, content in found["files"].items():
        (folder / Path(name).name).write_bytes(content)
    return str(found["reason"])


def _cancel(references: Sequence[Any]) -> None:
    """Ends tasks: asked first, so that they clear away what is theirs."""
    if not references:
        return
    for forced in (False, True):
        for reference in references:
            ray.cancel(reference, force=forced)
        _, left = ray.wait(list(references), num_returns=len(references), timeout=_ENDS_WITHIN)
        if not left:
            break
    ray.shutdown()


def _say(**words: Any) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
