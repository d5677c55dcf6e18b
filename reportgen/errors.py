"""What can go wrong, told in a line or two with its remedy, and the exit code it ends with."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True)
class Mistake:
    """One thing that is wrong, where it stands, and what to do about it."""

    message: str
    remedy: str = ""
    file: Path | str | None = None
    line: int | None = None

    def __str__(self) -> str:
        where = "" if self.file is None else f"{self.file}:{self.line}: " if self.line else f"{self.file}: "
        remedy = f"\n  {self.remedy}" if self.remedy else ""
        return f"{where}{self.message}{remedy}"

    @property
    def in_one_line(self) -> str:
        """The same as running text."""
        wrong = str(replace(self, remedy=""))
        return " ".join((f"{wrong.rstrip('.')}. {self.remedy}" if self.remedy else wrong).split())


class ReportgenError(Exception):
    """Anything reportgen refuses or cannot do; carries one or more mistakes and an exit code."""

    exit_code = 1

    def __init__(self, *mistakes: Mistake | str) -> None:
        self.mistakes: Sequence[Mistake] = tuple(Mistake(m) if isinstance(m, str) else m for m in mistakes)
        super().__init__("\n".join(str(mistake) for mistake in self.mistakes))

    @property
    def in_one_line(self) -> str:
        """What is wrong, as running text."""
        return "; ".join(mistake.in_one_line for mistake in self.mistakes)


class BatteryError(ReportgenError):
    """The battery, its prompt sets, its options or the command's arguments are wrong: nothing ran."""

    exit_code = 2


class ModelError(ReportgenError):
    """A model is missing, gated, corrupt, no causal LM, or not what its parts claim to be."""

    exit_code = 1


class BundleError(ReportgenError):
    """A bundle cannot be read: truncated, of another schema, or no bundle at all."""

    exit_code = 1


class OutputError(ReportgenError):
    """An output cannot be written; the last good bundle stays."""

    exit_code = 1
