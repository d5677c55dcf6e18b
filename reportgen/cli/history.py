"""`reportgen history`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from reportgen.baseline.runs import Order


@click.command("history")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The page to write [default: DIR/history.html].")
@click.option("--battery", type=click.Path(path_type=Path), help="Battery whose tolerances apply.")
@click.option("--baseline", type=click.Path(path_type=Path), help="Baseline whose measured tolerances apply.")
@click.option(
    "--order",
    type=click.Choice(["started", "name", "step"]),
    help="Order [default: started, if all bundles say when]; step: of a training, with the step on the axis.",
)
@click.option(
    "--watch",
    multiple=True,
    metavar="PATH@DIM=PLACE,...",
    help="Draw a value of an array, too: 'weather.*.entropy@layer=14,prompt=today,step=mean'. May be repeated.",
)
def command(
    folder: Path,
    output: Path | None,
    battery: Path | None,
    baseline: Path | None,
    order: "Order | None",
    watch: tuple[str, ...],
) -> int:
    """Draw each gated metric of the bundles below DIR over time, with its tolerance, and mark where it changed.

    The bundles are nights of one battery, in folders of any depth, or checkpoints of one training (--order step).
    A JSON file with all values is written next to the page. Prints one line per step, the latest first as on the page:
    what stepped, and what changed that night as far as the bundles tell (weights, tokenizer, dtype, libraries); and one
    line wherever another prompt, option or version began to be measured.

    With --order step, DIR may be one bundle of many checkpoints: each model stands at the step that its id, its source
    or its folder tells (step-1000, checkpoint-1000), on a linear axis, or a logarithmic one over two decades.

    --watch names an array by a glob over PROBE.MODEL.ARRAY, and for each of its dims one coordinate (of a prompt also
    its id), or mean: over the coordinates that have a value.

    Exits with 0 if every bundle was read, 3 if one was left out (the page says which, and why), 1 if none could be read
    or nothing could be written.
    """
    from reportgen.cli.terminal import tell, tell_place
    from reportgen.workflows.history import chart_history

    found, files = chart_history(
        folder,
        output,
        battery=battery,
        baseline=baseline,
        order=order,
        watch=watch,
        progress=lambda line: tell(line, err=True),
    )
    for line in found.describe_changes():
        tell(line)
    for file in files:
        tell_place(file)
    return 3 if found.left_out else 0
