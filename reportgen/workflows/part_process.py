"""A process that measures one part of a battery: what an engine runs for each model and each pair.

It is told on stdin what to measure, and writes a line of JSON on stdout for each piece of work that it finished.

    python -m reportgen.workflows.part_process FOLDER PARENT
"""

import json
import sys
from collections.abc import Mapping
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
    cache: bool

    def dump(self) -> dict[str, Any]:
        """The task as plain data, as it is told on stdin."""
        told = asdict(self)
        return told | {"chosen": told["chosen"] | {"path": str(self.chosen.path), "only": list(self.chosen.only)}}


def read_task(told: Mapping[str, Any]) -> PartTask:
    """The task that `dump` gave."""
    chosen = told["chosen"]
    choice = BatteryChoice(**{**chosen, "path": Path(chosen["path"]), "only": tuple(chosen["only"])})
    return PartTask(**{**told, "chosen": choice})


def main() -> None:
    """Measures, and says how that went."""
    folder, parent = Path(sys.argv[1]), int(sys.argv[2])
    task = read_task(json.loads(sys.stdin.buffer.read()))
    end_with(parent)
    sys.exit(supervise(lambda: _measure(task, folder), _tell))


def _measure(task: PartTask, folder: Path) -> int:
    try:
        battery = task.chosen.load()
        measured = measure(battery, lambda line: _say(line=line), cache=task.cache, part=task.part, announced=True)
        write_numbers(folder, measured)
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
