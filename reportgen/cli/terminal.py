"""The one place where a line reaches the terminal: spelled out, and in characters that the terminal has."""

import io
import json
import sys

import click

from reportgen.errors import Mistake
from reportgen.spelling import spell_text

LONGEST = 1_000
"""Characters of a line; where something lies is told whole, so that it can be opened."""


class NobodyReads(Exception):
    """Whoever read what is written has gone, as `head` does: there is nothing left to do."""


def _write(text: str, *, err: bool = False) -> None:
    try:
        click.echo(text, err=err)
    except BrokenPipeError:  # click itself would end the program, and the process that watches this one tell of a crash
        raise NobodyReads from None


def be_writable() -> None:
    """Makes the streams write what their encoding lacks as an escape, where they would raise."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def tell(line: object, *, err: bool = False) -> None:
    """Writes one line, whatever strangers' texts are in it."""
    _write(spell_text(str(line), LONGEST), err=err)


def tell_place(place: object) -> None:
    """Writes where something lies."""
    tell_whole(str(place))


def tell_whole(line: str) -> None:
    """Writes a line that is of use only as a whole."""
    _write(spell_text(line, longest=None))


def tell_mistake(mistake: Mistake) -> None:
    """Writes what is wrong, and its remedy below."""
    first, *remedy = mistake.lines
    for line in (f"error: {first}", *(f"  {line}" for line in remedy)):
        tell(line, err=True)


def tell_usage(error: click.ClickException) -> None:
    """Writes what is wrong with the arguments, as click does."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is not None:
        for line in context.get_usage().splitlines():
            tell(line, err=True)
        tell(f"Try '{context.command_path} --help' for help.", err=True)
    tell(f"Error: {error.format_message()}", err=True)


def tell_json(value: object) -> None:
    """Writes a document for programs: JSON has escapes of its own for what cannot be seen."""
    _write(json.dumps(value, indent=2).replace("##", "#\\u0023"))


def tell_command(line: str) -> None:
    """Writes a line that is to be a command of a workflow; its texts are escaped where it is made."""
    _write(line)


def tell_script(text: str) -> None:
    """Writes a program for a shell, which is ours to the last character: nothing in it may be spelled out."""
    _write(text.strip())
