"""The one place where a line reaches the terminal: spelled out, and in characters that the terminal has."""

import io
import json
import sys

import click

from reportgen.errors import Mistake
from reportgen.spelling import spelled

LONGEST = 1_000
"""Characters of a line; where something lies is told whole, so that it can be opened."""


def be_writable() -> None:
    """Makes the streams write what their encoding lacks as an escape, where they would raise."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(line: object, *, err: bool = False) -> None:
    """Writes one line, whatever strangers' texts are in it."""
    click.echo(spelled(str(line), LONGEST), err=err)


def say_place(place: object) -> None:
    """Writes where something lies."""
    click.echo(spelled(str(place), longest=None))


def say_mistake(mistake: Mistake) -> None:
    """Writes what is wrong, and its remedy below."""
    first, *remedy = mistake.lines
    for line in (f"error: {first}", *(f"  {line}" for line in remedy)):
        say(line, err=True)


def say_usage(error: click.ClickException) -> None:
    """Writes what is wrong with the arguments, as click does."""
    error.message = spelled(error.message)
    written = io.StringIO()
    error.show(written)
    for line in written.getvalue().splitlines():
        say(line, err=True)


def say_json(value: object) -> None:
    """Writes a document for programs: JSON has escapes of its own for what cannot be seen."""
    click.echo(json.dumps(value, indent=2).replace("##", "#\\u0023"))


def say_command(line: str) -> None:
    """Writes a line that is to be a command of a workflow; its texts are escaped where it is made."""
    click.echo(line)
