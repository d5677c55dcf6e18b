"""`reportgen compare`."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import click

from reportgen.cli.formats import formats_option

PAGES = ("html", "pdf")
TOLD = 5
"""Models of which is told where they are first beyond tolerance."""


@click.command("compare")
@click.argument("baseline", type=click.Path(path_type=Path))
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Its folder [default: BUNDLE-comparison].")
@formats_option(PAGES, "Pages to make [default: all]")
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write a JUnit report.")
@click.option("--markdown", type=click.Path(path_type=Path), metavar="FILE", help="Write a summary in Markdown.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors, the verdict and where the comparison lies.")
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

    Ends with 0 where nothing drifted, 3 where a probe or the last run failed, 4 where something drifted, 5 where
    something is not comparable, in this order; with 1 where a bundle cannot be read or nothing be written. In a GitHub
    workflow the summary and annotations are written, too. What was asked for says so where nothing could be compared.
    """
    from reportgen.baseline.judgements import beginning_told, beginnings, conclusion, counted, short
    from reportgen.cli.progress import shown
    from reportgen.cli.terminal import tell, tell_command, tell_place
    from reportgen.workflows.ci_outputs import told_of, write_told
    from reportgen.workflows.comparison import check_target, compare, comparison_of, write

    target = output if output is not None else comparison_of(bundle)
    with _failures_told(target, *(_outside(file, (bundle, target)) for file in (junit, markdown))):
        check_target(target)
        comparison = compare(baseline, bundle)
        with shown(quiet=quiet) as progress:
            written = write(comparison, target, formats or PAGES, progress)
    for line in write_told(told_of(comparison), junit, markdown):
        tell_command(line)
    judged = comparison.judgements
    tell(f"{conclusion(comparison)}: {counted(judged)}")
    for one in beginnings(judged)[:TOLD]:
        tell(f"  from {short(beginning_told(one, comparison))}")
    for glob in comparison.unmatched:
        tell(f"the tolerance {short(glob)} matches no number of the two bundles", err=True)
    for name in written:
        tell_place(target / name)
    return comparison.exit_code


def _outside(file: Path | None, folders: Sequence[Path]) -> Path | None:
    """A file, unless it is to lie in a folder that is not there: with it in there, the folder would be refused."""
    return None if file and any(file.parent == folder and not os.path.lexists(folder) for folder in folders) else file


@contextmanager
def _failures_told(target: Path, junit: Path | None, markdown: Path | None) -> Iterator[None]:
    """Whatever the block raises, nothing goes on saying what an earlier comparison found, and CI reads why."""
    from reportgen.cli.terminal import tell_command
    from reportgen.errors import OutputError
    from reportgen.results.failure_mark import reason_without_places
    from reportgen.workflows.ci_outputs import told_of_failure, write_told
    from reportgen.workflows.comparison import write_failure

    try:
        yield
    except Exception as error:  # an error of ours is no better than one of the bundles'
        with suppress(OutputError):  # the first error is told
            write_failure(error, target)
        with suppress(OutputError):
            for line in write_told(told_of_failure(reason_without_places(error)), junit, markdown):
                tell_command(line)
        raise
