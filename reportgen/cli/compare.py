"""`reportgen compare`."""

from functools import partial
from pathlib import Path

import click

from reportgen.cli.ci_options import add_ci_options
from reportgen.cli.formats import formats_option

PAGES = ("html", "pdf")


@click.command("compare")
@click.argument("baseline", type=click.Path(path_type=Path))
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Its folder [default: BUNDLE-comparison].")
@formats_option(PAGES, "Pages to make [default: all]")
@add_ci_options
@click.option("--quiet", is_flag=True, help="Print only errors, the verdict and where the comparison is.")
def command(
    baseline: Path,
    bundle: Path,
    output: Path | None,
    formats: tuple[str, ...],
    junit: Path | None,
    markdown: Path | None,
    quiet: bool,
) -> int:
    """Compare BUNDLE with BASELINE, another bundle or an accepted one: what changed, by how much, and where.

    Exits with 0 if nothing drifted, 3 if a probe or the last run failed, 4 if something drifted, 5 if something is not
    comparable, in this order; with 1 if a bundle cannot be read or nothing can be written. In a GitHub workflow the
    summary and annotations are written, too. If nothing could be compared, every report that was asked for says so.
    """
    from reportgen.ci.outputs import CiOutputs
    from reportgen.cli.comparison import tell_comparison
    from reportgen.cli.progress import show_progress
    from reportgen.cli.terminal import tell_command
    from reportgen.workflows.comparison import publish_comparison

    ci = CiOutputs(junit, markdown, tell_command)
    with show_progress(quiet=quiet) as progress:
        found = partial(tell_comparison, progress)
        comparison, _ = publish_comparison(
            baseline, bundle, output, formats=formats or PAGES, ci=ci, progress=progress, found=found
        )
    return comparison.exit_code
