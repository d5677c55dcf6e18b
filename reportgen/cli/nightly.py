"""`reportgen nightly`."""

from functools import partial
from pathlib import Path

import click

from reportgen.cli.ci_options import add_ci_options
from reportgen.cli.engine_options import add_engine_options
from reportgen.cli.formats import formats_option
from reportgen.cli.shown_as import FORMATS

PAGES = ("html",)


@click.command("nightly")
@click.argument("battery", type=click.Path(path_type=Path))
@click.option("--baseline", type=click.Path(path_type=Path), required=True, help="An accepted baseline, or a bundle.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The bundle's folder [default: next to it].")
@formats_option(FORMATS, "Outputs instead of the battery's")
@add_ci_options
@add_engine_options
@click.option("--no-cache", is_flag=True, help="Measure and draw everything again, and keep nothing of it.")
@click.option("--quiet", is_flag=True, help="Print only errors, the verdict and where the comparison is.")
def command(
    battery: Path,
    baseline: Path,
    output: Path | None,
    formats: tuple[str, ...],
    junit: Path | None,
    markdown: Path | None,
    engine: str,
    jobs: int,
    address: str | None,
    slurm: tuple[str, ...],
    no_cache: bool,
    quiet: bool,
) -> int:
    """Run BATTERY and compare what it finds with a baseline: one night of a CI, with one verdict.

    However the night ends, if nobody interrupts it, --junit, --markdown and, in a GitHub workflow, the summary and
    annotations tell of it.

    Exits with 0 if nothing drifted, 3 if a probe failed, 4 if something drifted, 5 if something is not comparable, in
    this order; with 2 if the battery is wrong, 1 if no model could be used, the baseline cannot be read or nothing can
    be written.
    """
    from reportgen.ci.outputs import CiOutputs
    from reportgen.cli.comparison import tell_comparison
    from reportgen.cli.progress import show_progress
    from reportgen.cli.terminal import tell_command
    from reportgen.workflows.night import run_night

    with show_progress(quiet=quiet) as progress:
        comparison = run_night(
            battery,
            baseline,
            output,
            pages=PAGES,
            ci=CiOutputs(junit, markdown, tell_command),
            formats=formats or None,
            engine=engine,
            jobs=jobs,
            address=address,
            slurm=slurm,
            cache=not no_cache,
            progress=progress,
            found=partial(tell_comparison, progress),
        )
    return comparison.exit_code
