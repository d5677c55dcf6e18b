"""`reportgen render`."""

from pathlib import Path

import click

from reportgen.cli.formats import formats_option
from reportgen.cli.shown_as import FORMATS, PAGE_OF, add_presentation_options


@click.command("render")
@click.argument("bundle", type=click.Path(path_type=Path))
@formats_option(FORMATS, "Outputs to make [default: html, pdf, figures]")
@add_presentation_options("the bundle's")
@click.option("--stamp", is_flag=True, help="Print today's date on the page.")
@click.option("--quiet", is_flag=True, help="Print only errors and where the report is.")
def command(
    bundle: Path,
    formats: tuple[str, ...],
    language: str | None,
    theme: str | None,
    templates: Path | None,
    stamp: bool,
    quiet: bool,
) -> None:
    """Re-render the outputs of BUNDLE, a folder that `reportgen run` wrote: without its models, without torch.

    Outputs in other formats stay as they are.
    """
    from reportgen.cli.progress import show_progress
    from reportgen.cli.terminal import tell_place
    from reportgen.workflows.report import RENDERED, render

    with show_progress(quiet=quiet) as progress:
        render(
            bundle,
            formats=formats or None,
            language=language,
            theme=theme,
            templates=templates,
            progress=progress,
            stamp=stamp,
        )
    for asked in [one for one in PAGE_OF if one in (formats or RENDERED)]:
        if (bundle / PAGE_OF[asked]).exists():
            tell_place(bundle / PAGE_OF[asked])
