"""What a CI is told where a command came to nothing."""

from dataclasses import dataclass
from typing import Literal

from reportgen.baseline.judgements import NOT_COMPARED

Command = Literal["run", "compare"]
HEADINGS: dict[Command, str] = {"run": "The run failed", "compare": NOT_COMPARED}


@dataclass(frozen=True)
class Failure:
    """A command that failed, and why, in one line without places of this machine."""

    command: Command
    reason: str

    @property
    def heading(self) -> str:
        """What failed, in a few words."""
        return HEADINGS[self.command]
