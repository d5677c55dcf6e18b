"""How a person sees that work goes on: a moving line in a terminal, one plain line a finished piece elsewhere."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

from reportgen.cli.terminal import LONGEST, tell
from reportgen.spelling import spell_text


@dataclass(frozen=True)
class Progress:
    """What is told of work."""

    tell: Callable[[str], None]
    aside: Callable[[], AbstractContextManager[object]] = nullcontext
    """Within it nothing moves, so that other lines can be written."""

    def __call__(self, line: str) -> None:
        """Tells one line of a finished piece of work."""
        self.tell(line)


@contextmanager
def show_progress(*, quiet: bool) -> Iterator[Progress]:
    """What is told one line a finished piece of work."""
    if quiet:
        yield Progress(lambda line: None)
    elif sys.stderr.isatty() and os.environ.get("TERM") not in ("dumb", "unknown") and not os.environ.get("CI"):
        with _show_spinner() as progress:
            yield progress
    else:
        yield Progress(lambda line: tell(line, err=True))


@contextmanager
def _show_spinner() -> Iterator[Progress]:
    """A line that moves, with the time that has passed: a single probe may take minutes."""
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True, highlight=False)
    columns = (SpinnerColumn(_spinner(), style="none"), TextColumn("{task.description}"), TimeElapsedColumn())
    with Bars(*columns, console=console, transient=True, redirect_stdout=False) as moving:
        task = moving.add_task("starting", total=None)

        def print_line(line: str) -> None:
            console.print(spell_text(f"  {line}", LONGEST), markup=False, emoji=False, style="dim")
            moving.update(task, description="working")

        @contextmanager
        def stand_aside() -> Iterator[None]:
            moving.stop()
            yield
            moving.start()

        yield Progress(print_line, stand_aside)


def _spinner() -> str:
    """Dots, where the terminal has them."""
    unicode = (sys.stderr.encoding or "").lower().startswith("utf")
    return "dots" if unicode else "line"
