"""Tasks on a Ray cluster: one that runs already, or one of this machine that is started for them and ends with them.

Ray itself lives in a process of its own (`ray_driver`): it prints much, takes signals for itself, and ends the process
that it is in where its cluster is lost. Here is what starts that process, and listens to it.
"""

import os
import secrets
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reportgen.engines.elsewhere import dump_task
from reportgen.engines.task import EngineFailed, Progress, Task
from reportgen.errors import BatteryError, Mistake
from reportgen.processes.talking_child import TalkingChild, Words, ending_all, start_talking

_QUIET = {"RAY_USAGE_STATS_ENABLED": "0"}
"""Nothing is reported to Ray's makers."""
_KEPT = "what was finished is in the cache: run it again, and it goes on there"


@dataclass(frozen=True)
class RayEngine:
    """A cluster of Ray."""

    address: str | None
    """HOST:PORT, or auto; None: a cluster of this machine alone."""

    @property
    def manner(self) -> str:
        """How tasks run."""
        return "on a Ray cluster of this machine" if self.address is None else f"on the Ray cluster {self.address}"

    def run(self, tasks: Sequence[Task], progress: Progress) -> dict[str, str]:
        """Runs each as a task of Ray, which starts it again where its worker is lost."""
        failed: dict[str, str] = {}
        listening = _Listener(self.manner, progress, failed)
        with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as own, ending_all() as running:
            child = start_talking(
                "reportgen.engines.ray_driver",
                str(os.getpid()),
                told={"address": self.address, "temporary": own, "tasks": [dump_task(task) for task in tasks]},
                environment=_QUIET | (_close_cluster(Path(own)) if self.address is None else {}),
                apart=True,
            )
            running.append(child)
            for words in child.hear_all():
                listening.take(words)
            listening.check_end(child)
        return failed


def _close_cluster(folder: Path) -> dict[str, str]:
    """The variables of a cluster of this machine: all that it and its workers write lies in a folder of its own, and
    only who knows its token can have it run anything.
    """
    token = folder / "token"
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32), encoding="ascii")
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token), "TMPDIR": str(folder)}


@dataclass
class _Listener:
    """Takes what the driver says."""

    cluster: str
    progress: Progress
    failed: dict[str, str]
    joined: bool = False

    def take(self, words: Words) -> None:
        match words:
            case {"line": line}:
                self.progress(line)
            case {"failed": name, "reason": reason}:
                self.failed[name] = reason
            case {"refused": told, "remedy": remedy}:
                raise BatteryError(Mistake(told, remedy))
            case {"joined": _}:
                self.joined = True

    def check_end(self, child: TalkingChild) -> None:
        """Refuses an end that is none of the work's."""
        reason = child.explain_failure()
        if not reason:
            return
        if self.joined:
            raise EngineFailed(Mistake(f"--engine ray: the cluster was lost ({reason})", _KEPT))
        remedy = (
            "does it run, with these versions of Ray and Python, and is this machine one of its nodes? "
            "Set RAY_AUTH_MODE=token if it asks for a token"
        )
        raise EngineFailed(Mistake(f"--engine ray: {self.cluster}: it cannot be reached ({reason})", remedy))
