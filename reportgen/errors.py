"""What can go wrong, told in a line or two with its remedy, and the exit code it ends with."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reportgen.spelling import LONGEST, spell_text


@dataclass(frozen=True)
class Mistake:
    """One thing that is wrong, where it stands, and what to do about it."""

    message: str
    remedy: str = ""
    file: Path | str | None = None
    line: int | None = None

    def __str__(self) -> str:
        return "\n  ".join(self.lines)

    @property
    def lines(self) -> tuple[str, ...]:
        """What is wrong, and below it the remedy where there is one: whatever strangers' texts are in them, a line
        each.
        """
        return tuple(spell_text(line) for line in (f"{self._where}{self.message}", self.remedy) if line)

    @property
    def in_one_line(self) -> str:
        """The same as running text."""
        wrong = f"{self._where}{self.message}"
        told = f"{wrong.rstrip('.')}. {self.remedy}" if self.remedy else wrong
        return spell_text(" ".join(told.split()), 2 * LONGEST)

    @property
    def _where(self) -> str:
        if self.file is None:
            return ""
        return f"{self.file}:{self.line}: " if self.line else f"{self.file}: "


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


class OutOfTime(BaseException):
    """A piece of work took longer than it may. No Exception: a probe that catches those is to be ended, too."""


def reason_of(error: BaseException) -> str:
    """Whatever was raised, for a person: what was refused in our own words, else a line with what Python calls it."""
    match error:
        case ReportgenError():
            return error.in_one_line
        case SystemExit():
            return f"it tried to end the program (exit code {error.code})"
        case OutOfTime():
            return "it exceeded its time limit"
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
