"""`reportgen history`."""

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
) -> None:
    """Draw each gated metric of the bundles below DIR over time, with its tolerance, and mark where it stepped.

    The bundles are nights of one battery, in folders of any depth, or checkpoints of one training (--order name).
    Beside the page lies a JSON file with all values. Prints a line for each step, oldest first.
    """
    from reportgen.baseline.accepted import load_tolerances
    from reportgen.baseline.history import history
    from reportgen.battery import load_battery
    from reportgen.cli.terminal import tell, tell_place
    from reportgen.history_outputs import write_history

    written = load_battery(battery).tolerances if battery else {}
    found = history(folder, written, load_tolerances(baseline) if baseline else {}, order)
    for mistake in found.left_out:
        tell(f"left out: {mistake.file}: {mistake.message}", err=True)
    page = output or folder / "history.html"
    data = write_history(found, page)
    for course, step in reversed(found.steps):
        tell(found.told(course, step))
    tell_place(page)
    tell_place(data)
