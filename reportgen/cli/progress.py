"""How a person sees that work goes on: a moving line in a terminal, one plain line a finished piece elsewhere."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from reportgen.cli.terminal import LONGEST, tell
from reportgen.spelling import spell_text


@contextmanager
def show_progress(*, quiet: bool) -> Iterator[Callable[[str], None]]:
    """A function that is told one line a finished piece of work."""
    if quiet:
        yield lambda line: None
    elif sys.stderr.isatty() and not os.environ.get("CI"):
        with _show_spinner() as told:
            yield told
    else:
        yield lambda line: tell(line, err=True)


@contextmanager
def _show_spinner() -> Iterator[Callable[[str], None]]:
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    with console.status("starting", spinner=_spinner()) as status:

        def print_line(line: str) -> None:
            console.print(spell_text(f"  {line}", LONGEST), markup=False, emoji=False, style="dim")
            status.update("working")

        yield print_line


def _spinner() -> str:
    """Dots, where the terminal has them."""
    unicode = (sys.stderr.encoding or "").lower().startswith("utf")
    return "dots" if unicode else "line"
