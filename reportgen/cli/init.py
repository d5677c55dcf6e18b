"""`reportgen init`: a battery to start from."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from reportgen.workflows.starter_texts import Purpose

_BATTERY = (".yaml", ".yml")


@click.command("init")
@click.argument("named", metavar="[MODEL]... [FILE]", nargs=-1)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The battery to write, as FILE.")
@click.option(
    "--for",
    "purpose",
    type=click.Choice(["lecture", "compare", "nightly"]),
    help="What it is for [default: a bit of everything].",
)
def command(named: tuple[str, ...], output: Path | None, purpose: "Purpose | None") -> None:
    """Write a commented battery to FILE, to start from, and beside it the schema by which editors check it.

    MODEL is a folder (with a model, a LoRA adapter that names its base, or the checkpoints of a training), a .gguf
    file, a hub id or demo:NAME; without one, the battery is for the demo models. FILE ends in .yaml; without it, the
    battery is NAME-report.yaml after the model's folder, or report.yaml. A file that exists is never overwritten.
    """
    from reportgen.cli.terminal import tell
    from reportgen.workflows.starter import write_starter
    from reportgen.workflows.starter_texts import SCHEMA_NAME

    files = [Path(text) for text in named if text.lower().endswith(_BATTERY)]
    models = [text for text in named if not text.lower().endswith(_BATTERY)]
    if len(files) + (output is not None) > 1:
        raise click.UsageError("Name one battery to write.")
    written = write_starter(models, output or next(iter(files), None), purpose)
    tell(f"{written} written, with {SCHEMA_NAME} for editors. Next: reportgen run {written}")
