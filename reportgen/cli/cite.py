"""`reportgen cite`."""

from pathlib import Path

import click


@click.command("cite")
@click.argument("bundle", type=click.Path(path_type=Path))
def command(bundle: Path) -> None:
    """Print what to cite of BUNDLE, a folder that `reportgen run` wrote, as BibTeX: reportgen and its version, each
    model with its revision, and the works that its probes are taken from.
    """
    from reportgen.cli.terminal import tell_whole
    from reportgen.workflows.citation import cite_stored

    for line in cite_stored(bundle).splitlines():
        tell_whole(line)
