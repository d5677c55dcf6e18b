"""What the commands have in common that a CI calls: the files that it reads."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def add_ci_options(command: F) -> F:
    """`--junit` and `--markdown` of a command."""
    file = click.Path(path_type=Path)
    markdown = click.option("--markdown", type=file, metavar="FILE", help="Write a summary in Markdown.")
    return click.option("--junit", type=file, metavar="FILE", help="Write a JUnit report.")(markdown(command))
