"""`reportgen render`."""

from pathlib import Path

import click

from reportgen.cli.run import FORMATS


@click.command("render")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--format", "formats", multiple=True, type=click.Choice(FORMATS), help="Outputs to make [default: all].")
@click.option("--stamp", is_flag=True, help="Print today's date on the page.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors and where the report lies.")
def command(bundle: Path, formats: tuple[str, ...], stamp: bool, quiet: bool) -> None:
    """Make the outputs of BUNDLE, a folder that `reportgen run` wrote, anew: without its models, without torch.

    Outputs of other formats stay as they are.
    """
    from reportgen.cli.progress import shown
    from reportgen.workflow import render

    wanted = formats or FORMATS
    with shown(quiet=quiet) as progress:
        render(bundle, formats=wanted, progress=progress, stamp=stamp)
    for name in ("report.html", "report.pdf"):
        if (bundle / name).exists():
            click.echo(bundle / name)
