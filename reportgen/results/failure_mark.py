"""What run.json says of a bundle that was to be made anew and was not, and who refuses such a bundle."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from reportgen.errors import BundleError, Mistake, ReportgenError

Command = Literal["run", "render"]
MARKS: dict[Command, str] = {"run": "last_run_failed", "render": "last_render_failed"}
"""Command that failed -> key of run.json that holds the reason, one line."""
LONGEST = 500
"""Characters of a reason."""
DIED = "it ended before it was finished, and left no reason"
_FOLDERS = re.compile(r"(?<![\w.~/:\\-])(?:[A-Za-z]:)?[/\\](?:[^\s/\\:'\",;]+[/\\])+")
"""All but the last part of an absolute path; not those of an address."""


class FailedBefore(BundleError):
    """What is there is older than the last try to make it anew: its numbers say nothing of today."""

    exit_code = 3


def refuse_failed(run: Mapping[str, Any], bundle: Path) -> None:
    """Refuses a bundle whose run.json says that a later try failed.

    Raises:
        FailedBefore: it says so.
    """
    for command, key in MARKS.items():
        if run.get(key):
            told = f"its last {command} failed, and what is there is older: {one_line(str(run[key]))}"
            raise FailedBefore(Mistake(told, f"fix that, and {command} it again", file=bundle))


def add_mark(run: Mapping[str, Any], command: Command, reason: str) -> dict[str, Any]:
    """A run.json that says which command failed, and why."""
    return remove_marks(run, command) | {MARKS[command]: reason}


def remove_marks(run: Mapping[str, Any], *commands: Command) -> dict[str, Any]:
    """A run.json without the marks of these commands."""
    gone = {MARKS[command] for command in commands}
    return {key: value for key, value in run.items() if key not in gone}


def reason_without_places(error: BaseException) -> str:
    """Why something failed, in one line that does not say where on this machine: it stands on pages, too."""
    if isinstance(error, ReportgenError):
        return one_line(without_places(error.in_one_line))
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    if isinstance(error, OSError) and error.strerror:
        return one_line(error.strerror)
    told = f"internal error: {error}" if str(error) else "internal error"
    return one_line(without_places(told))


def without_places(text: str) -> str:
    """A text with its absolute paths from the working directory or from home, and of others the last part alone."""
    for folder in (Path.cwd(), Path.home()):
        if folder != Path(folder.anchor):
            text = text.replace(f"{folder}/", "")
    return _FOLDERS.sub("", text)


def one_line(text: str) -> str:
    """A text without line breaks, cut where it is a book."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
