"""Who accepts a baseline, where nobody says so: git's user, else the user of this machine."""

import getpass
import subprocess
from dataclasses import dataclass

SECONDS = 10
"""A git that answers no sooner is not waited for."""


@dataclass(frozen=True)
class Person:
    """A name, and where it is from."""

    name: str
    source: str


def find_person() -> Person | None:
    """Whom git or the environment name; None where neither names anybody."""
    if name := _git_user():
        return Person(name, "git's user.name")
    if name := _user():
        return Person(name, "the user of this machine")
    return None


def _git_user() -> str:
    command = ["git", "config", "--get", "user.name"]
    try:
        ended = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return _one_line(ended.stdout.decode(errors="replace")) if ended.returncode == 0 else ""


def _user() -> str:
    try:
        return _one_line(getpass.getuser())
    except (KeyError, OSError, ImportError):  # no variable says it, and no table of users
        return ""


def _one_line(text: str) -> str:
    return " ".join(text.split())
