"""`reportgen table`."""

from pathlib import Path

import click

FORMATS = ("csv", "latex", "markdown", "parquet")


@click.command("table")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("name", metavar="PROBE[.TABLE]")
@click.option("--format", type=click.Choice(FORMATS), help="Format [default: as FILE ends, else csv].")
@click.option("--model", "models", multiple=True, metavar="ID", help="Only rows of this model; may be repeated.")
@click.option("-o", "--output", metavar="FILE", type=click.Path(path_type=Path), help="Write FILE instead of stdout.")
def command(bundle: Path, name: str, format: str | None, models: tuple[str, ...], output: Path | None) -> None:
    """Print a table of BUNDLE, a folder that `reportgen run` wrote: rows of all its models, with the model's name and
    the id of each prompt.

    PROBE.metrics is a table of the probe's metrics. PROBE alone is enough if it has one table; else they are listed.

    CSV and Parquet hold every number and text as it is stored: open a CSV in a spreadsheet as text, or a token that
    begins with = becomes a formula. LaTeX (a tabular of booktabs) and Markdown have the numbers and names of the
    report, in the bundle's language. On stdout invisible characters are spelled out (<U+200B>); in FILE they are not.
    """
    from reportgen.cli.terminal import tell_place, tell_whole
    from reportgen.workflows.table_formats import ENDINGS
    from reportgen.workflows.tables import write_table

    binary = "parquet" in (format, ENDINGS.get(output.suffix.lower()) if output else None)
    if binary and output is None:
        raise click.UsageError("Parquet is not text: give -o FILE")
    content = write_table(bundle, name, format=format, models=models, output=output)
    if output is not None:
        tell_place(output)
        return
    for line in content.decode().removesuffix("\n").split("\n"):
        tell_whole(line)
