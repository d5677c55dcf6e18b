"""`reportgen history`."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from reportgen.baseline.nights import Order


@click.command("history")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The page to write [default: DIR/history.html].")
@click.option("--battery", type=click.Path(path_type=Path), help="Battery whose tolerances hold.")
@click.option("--baseline", type=click.Path(path_type=Path), help="Baseline whose measured tolerances hold.")
@click.option(
    "--order", type=click.Choice(["started", "name"]), help="Order [default: started, where all bundles say]."
)
def command(
    folder: Path, output: Path | None, battery: Path | None, baseline: Path | None, order: "Order | None"
) -> int:
    """Draw each gated metric of the bundles below DIR over time, with its tolerance, and mark where it stepped.

    The bundles are nights of one battery, in folders of any depth, or checkpoints of one training (--order name).
    Beside the page lies a JSON file with all values. Prints a line for each step, oldest first.

    Ends with 0 where every bundle was read, 3 where one was left out (the page says which, and why), 1 where none
    could be read or nothing could be written.
    """
    from reportgen.baseline.accepted import load_tolerances
    from reportgen.baseline.history import history
    from reportgen.battery.reader import load_battery
    from reportgen.cli.terminal import tell, tell_place
    from reportgen.results.holding import restore_below
    from reportgen.workflows.history import write_history

    page = output or folder / "history.html"
    written = load_battery(battery).tolerances if battery else {}
    with _failures_shown(page):
        restore_below(folder)
        found = history(folder, written, load_tolerances(baseline) if baseline else {}, order)
        for mistake in found.left_out:
            tell(f"left out: {mistake.file}: {mistake.message}", err=True)
        data = write_history(found, page)
    for course, step in reversed(found.steps):
        tell(found.told(course, step))
    tell_place(page)
    tell_place(data)
    return 3 if found.left_out else 0


@contextmanager
def _failures_shown(page: Path) -> Iterator[None]:
    """Whatever the block raises, an earlier page does not go on as though it were of today."""
    from reportgen.errors import OutputError
    from reportgen.workflows.history import write_history_failure

    try:
        yield
    except Exception as error:  # an error of ours is no better than one of the bundles'
        with suppress(OutputError):  # the first error is told
            write_history_failure(error, page)
        raise
