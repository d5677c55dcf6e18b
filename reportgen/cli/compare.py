"""`reportgen compare`."""

import os
from pathlib import Path

import click

PAGES = ("html", "pdf")
TOLD = 5
"""Models of which is told where they are first beyond tolerance."""


@click.command("compare")
@click.argument("baseline", type=click.Path(path_type=Path))
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Its folder [default: BUNDLE-comparison].")
@click.option(
    "--format", "formats", multiple=True, type=click.Choice(PAGES), default=PAGES, help="Pages to make [default: all]."
)
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

    Ends with 0 where nothing drifted, 3 where a probe failed, 4 where something drifted, 5 where something is not
    comparable, in this order. In a GitHub workflow the summary and annotations are written, too.
    """
    from reportgen.baseline.annotations import annotations
    from reportgen.baseline.judgements import beginning_told, beginnings, conclusion, counted, judgements, short
    from reportgen.baseline.junit import junit as as_junit
    from reportgen.baseline.markdown import markdown as as_markdown
    from reportgen.baseline.step_summary import append_step_summary
    from reportgen.cli.progress import shown
    from reportgen.comparing import compare, comparison_of, write

    comparison = compare(baseline, bundle)
    target = output if output is not None else comparison_of(bundle)
    with shown(quiet=quiet) as progress:
        written = write(comparison, target, formats, progress)
    for file, text in ((junit, as_junit), (markdown, as_markdown)):
        if file is not None:
            _write(file, text(comparison))
    if os.environ.get("GITHUB_ACTIONS") == "true":
        append_step_summary(as_markdown(comparison))
        for line in annotations(comparison):
            click.echo(line)
    judged = judgements(comparison)
    click.echo(f"{conclusion(comparison)}: {counted(judged)}")
    for one in beginnings(judged)[:TOLD]:
        click.echo(f"  from {short(beginning_told(one, comparison))}")
    for glob in comparison.unmatched:
        click.echo(f"the tolerance {short(glob)} matches no number of the two bundles", err=True)
    for name in written:
        click.echo(target / name)
    return comparison.exit_code


def _write(file: Path, text: str) -> None:
    from reportgen.errors import Mistake, OutputError

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(Mistake(f"cannot be written: {error.strerror}", file=file)) from error
