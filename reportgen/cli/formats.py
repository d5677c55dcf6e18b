"""How every command is told formats: `--format html,pdf`, or the option repeated."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def formats_option(known: Sequence[str], what: str) -> Callable[[F], F]:
    """The option; `what` says what it chooses and what holds without it."""
    return click.option(
        "--format",
        "formats",
        multiple=True,
        metavar="NAME[,NAME]...",
        callback=partial(_names, known),
        help=f"{what}: {', '.join(known)}.",
    )


def _names(known: Sequence[str], ctx: click.Context, param: click.Parameter, given: Sequence[str]) -> tuple[str, ...]:
    """Names of formats, each of `given` one or several with commas between them; each name once."""
    names = tuple(dict.fromkeys(name.strip() for one in given for name in one.split(",")))
    for name in names:
        if name not in known:
            from reportgen.suggest import suggestion

            raise click.BadParameter(f"unknown format {name!r}. {suggestion(name, known)}", ctx, param)
    return names
