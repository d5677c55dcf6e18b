"""A process that measures one part of a battery: what `measure_side_by_side` starts for each model and each pair.

It is told on stdin what to measure, and writes a line of JSON on stdout for each piece of work that it finished.
"""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reportgen.errors import ReportgenError, reason_of
from reportgen.processes.supervision import end_with, supervise
from reportgen.results.bundle import write_numbers
from reportgen.workflows.measuring import BatteryChoice, measure

ERROR = "error: "
"""What a watching process begins its last words with."""


@dataclass(frozen=True)
class PartTask:
    """What such a process has to do."""

    chosen: BatteryChoice
    part: str
    """K/N."""
    folder: Path
    """Where its numbers go: an empty folder."""
    cache: bool
    parent: int
    """The process that waits for it, and with which it ends."""

    def dump(self) -> bytes:
        """The task as it is told on stdin."""
        return json.dumps(asdict(self), default=str).encode()


def read_task(told: bytes) -> PartTask:
    """The task that `dump` wrote."""
    said = json.loads(told)
    chosen = said["chosen"]
    choice = BatteryChoice(**{**chosen, "path": Path(chosen["path"]), "only": tuple(chosen["only"])})
    return PartTask(**{**said, "chosen": choice, "folder": Path(said["folder"])})


def main() -> None:
    """Measures, and says how that went."""
    task = read_task(sys.stdin.buffer.read())
    end_with(task.parent)
    sys.exit(supervise(lambda: _measure(task), _tell))


def _measure(task: PartTask) -> int:
    try:
        battery = task.chosen.load()
        measured = measure(battery, lambda line: _say(line=line), cache=task.cache, part=task.part, announced=True)
        write_numbers(task.folder, measured)
    except KeyboardInterrupt:
        return 130
    except ReportgenError as error:
        _say(error=error.in_one_line)
        return error.exit_code
    except Exception as error:  # an error of ours fails this part, and no other
        _say(error=f"internal error: {reason_of(error)}")
        return 1
    return 0


def _tell(line: str) -> None:
    """What the process that watches this one says."""
    _say(**({"error": line.removeprefix(ERROR)} if line.startswith(ERROR) else {"line": line}))


def _say(**words: Any) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
