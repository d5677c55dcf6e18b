"""`reportgen run`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from reportgen.cli.ci_options import add_ci_options
from reportgen.cli.engine_options import add_engine_options
from reportgen.cli.formats import formats_option
from reportgen.cli.shown_as import FORMATS, PAGES, add_presentation_options
from reportgen.errors import ReportgenError

if TYPE_CHECKING:
    from reportgen.workflows.notebook import ShownBundle


@click.command("run")
@click.argument("battery", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The bundle's folder [default: next to it].")
@click.option("--only", multiple=True, metavar="ID", help="Run only this probe; may be repeated.")
@formats_option(FORMATS, "Outputs instead of the battery's")
@click.option("--device", help="Device for every model: auto, cpu, cuda, cuda:N, mps.")
@click.option(
    "--dtype", type=click.Choice(["auto", "float32", "bfloat16", "float16", "int8"]), help="Dtype for every model."
)
@click.option("--threads", type=click.IntRange(1, 1024), help="Threads of a pass on a CPU [default: its cores].")
@add_presentation_options("the battery's")
@add_ci_options
@click.option("--part", metavar="K/N", help="Measure part K of N; reportgen merge joins the parts.")
@add_engine_options
@click.option("--watch", is_flag=True, help="Run again whenever the battery is saved; watch.html shows it anew.")
@click.option("--no-cache", is_flag=True, help="Measure and draw everything again, and keep nothing of it.")
@click.option("--quiet", is_flag=True, help="Print only errors and where the report is.")
def command(
    battery: Path,
    output: Path | None,
    only: tuple[str, ...],
    formats: tuple[str, ...],
    device: str | None,
    dtype: str | None,
    threads: int | None,
    language: str | None,
    theme: str | None,
    templates: Path | None,
    junit: Path | None,
    markdown: Path | None,
    part: str | None,
    engine: str,
    jobs: int,
    address: str | None,
    slurm: tuple[str, ...],
    watch: bool,
    no_cache: bool,
    quiet: bool,
) -> int:
    """Run BATTERY, a YAML file, and write its bundle: numbers, figures, page and PDF.

    Results of an earlier run under the same conditions are reused from the cache; an interrupted run continues where it
    stopped.

    With --part, the work is divided by model and pair into N parts of about the same size, and part K alone is
    measured, as on one of N machines. Its bundle says so on its pages, and is refused by compare, history and baseline.

    With --jobs, several models are measured at the same time, if their memory is free; the numbers are the same. A
    model whose process ends is a failed card, and the others run.

    With --watch, it runs until Ctrl-C, again whenever the battery or a file that it names is saved: what did not change
    comes from the cache. A mistake is told, and waited for to be mended. The page watch.html of the bundle loads itself
    anew; nothing is served.

    With --engine ray, each model, or pair of models, is a task on a Ray cluster: the one at --address, or one of this
    machine. With --engine slurm, each is an element of an array job. Battery and models are to be on a shared disk.

    Exits with 0 if every probe ran, 3 if one failed (its card says why), 2 if the battery is wrong, 1 if no model could
    be used, a cluster was lost or an output could not be made. A bundle that was there before is then marked, and
    refused by compare, history and baseline accept until a run succeeds.
    """
    from functools import partial

    from reportgen.ci.outputs import CiOutputs
    from reportgen.cli.terminal import tell_command
    from reportgen.workflows.night import run_for_ci

    run = partial(
        run_for_ci,
        battery,
        output,
        CiOutputs(junit, markdown, tell_command),
        only=only,
        formats=formats or None,
        device=device,
        dtype=dtype,
        threads=threads,
        language=language,
        theme=theme,
        templates=templates,
        part=part,
        engine=engine,
        jobs=jobs,
        address=address,
        slurm=slurm,
        cache=not no_cache,
    )
    if watch:
        _watch(battery, run, [Path(one) for one in (theme, templates) if one is not None], quiet=quiet)
    return _run_once(run, quiet=quiet)


def _run_once(run: "Callable[..., ShownBundle]", *, quiet: bool, pages: Sequence[str] = PAGES) -> int:
    """Runs, and prints where the report is."""
    from reportgen.cli.progress import show_progress
    from reportgen.cli.terminal import tell_place

    with show_progress(quiet=quiet) as progress:
        bundle = run(progress=progress)
    assert bundle.path is not None
    for name in (*pages, "results.json"):
        if (bundle.path / name).exists():
            tell_place(bundle.path / name)
    return 3 if bundle.failed else 0


def _watch(battery: Path, run: "Callable[..., ShownBundle]", others: Sequence[Path], *, quiet: bool) -> NoReturn:
    """Runs until it is interrupted."""
    from functools import partial

    from reportgen.cli.terminal import tell, tell_mistake
    from reportgen.workflows.watching import PAGE, add_watched_page, run_at_each_change

    def run_once() -> None:
        _run_once(partial(run, staged=add_watched_page), quiet=quiet, pages=(PAGE, *PAGES))
        tell(waiting, err=True)

    def tell_failure(error: ReportgenError) -> None:
        for mistake in error.mistakes:
            tell_mistake(mistake)
        tell(waiting, err=True)

    waiting = f"watching {battery}: save it to run again, Ctrl-C ends"
    run_at_each_change(battery, run_once, tell_failure, others)
