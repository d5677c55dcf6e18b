"""Options of the commands that measure: where."""

from collections.abc import Callable
from typing import Any

import click

from reportgen.engines import ENGINES


def add_engine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command --engine, and what is said of each engine."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS = (
    click.option(
        "--engine", type=click.Choice(ENGINES), default="local", help="Where models are measured [default: local]."
    ),
    click.option(
        "--jobs",
        type=click.IntRange(1, 64),
        default=1,
        help="Models measured at the same time, a process each [default: 1].",
    ),
    click.option("--address", metavar="HOST:PORT", help="A running Ray cluster [default: one of this machine]."),
    click.option("--slurm", multiple=True, metavar="KEY=VALUE", help="What to ask of Slurm; may be repeated."),
)
