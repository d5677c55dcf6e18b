"""`reportgen compare`."""

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
    from reportgen.baseline.judgements import (
        conclusion,
        count_verdicts,
        describe_beginning,
        find_beginnings,
        shorten_text,
    )
    from reportgen.cli.progress import show_progress
    from reportgen.cli.terminal import tell, tell_command, tell_place
    from reportgen.workflows.ci_outputs import CiOutputs
    from reportgen.workflows.comparison import publish_comparison

    ci = CiOutputs(junit, markdown, tell_command)
    with show_progress(quiet=quiet) as progress:
        comparison, files = publish_comparison(
            baseline, bundle, output, formats=formats or PAGES, ci=ci, progress=progress
        )
    tell(f"{conclusion(comparison)}: {count_verdicts(comparison.judgements)}")
    for one in find_beginnings(comparison.judgements)[:TOLD]:
        tell(f"  from {shorten_text(describe_beginning(one, comparison))}")
    for glob in comparison.unmatched:
        tell(f"the tolerance {shorten_text(glob)} matches no number of the two bundles", err=True)
    for file in files:
        tell_place(file)
    return comparison.exit_code
