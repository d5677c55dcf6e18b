"""`reportgen merge`."""

from pathlib import Path

import click

from reportgen.cli.formats import formats_option
from reportgen.cli.shown_as import FORMATS, PAGES, add_presentation_options


@click.command("merge")
@click.argument("parts", metavar="PART...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The folder of the whole.")
@click.option("--allow-missing", is_flag=True, help="Write a failed card for whatever a missing part measures.")
@formats_option(FORMATS, "Outputs instead of the battery's")
@add_presentation_options("the first part's")
@click.option("--quiet", is_flag=True, help="Print only errors and where the report is.")
def command(
    parts: tuple[Path, ...],
    output: Path,
    allow_missing: bool,
    formats: tuple[str, ...],
    language: str | None,
    theme: str | None,
    templates: Path | None,
    quiet: bool,
) -> int:
    """Join PARTs, bundles that `reportgen run --part` wrote, into the bundle that one run of the battery would have
    written: on machines of one kind, results.json and arrays.safetensors are the same bytes.

    Parts of different batteries, options, models or versions are refused.

    Exits with 0 if every probe ran, 3 if one failed or a part is missing (without --allow-missing nothing is written
    then), 2 if the output is one of the parts, 1 if parts do not belong together or nothing can be written.
    """
    from reportgen.cli.progress import show_progress
    from reportgen.cli.terminal import tell_place
    from reportgen.workflows.merge import merge

    with show_progress(quiet=quiet) as progress:
        bundle = merge(
            parts,
            output,
            allow_missing=allow_missing,
            formats=formats or None,
            language=language,
            theme=theme,
            templates=templates,
            progress=progress,
        )
    for name in (*PAGES, "results.json"):
        if (output / name).exists():
            tell_place(output / name)
    return 3 if bundle.failed else 0
