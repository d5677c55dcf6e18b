"""`reportgen baseline`: accept a bundle as what later ones are compared with, and measure how far numbers move."""

from pathlib import Path

import click


@click.group("baseline")
def command() -> None:
    """Keep a bundle as the reference for later ones, and measure how far its numbers move by themselves."""


@command.command("accept")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--reason", required=True, help="Why this is the right result from now on.")
@click.option("--by", help="Who says so [default: git's user.name, else the user of this machine].")
@click.option(
    "--to", "target", type=click.Path(path_type=Path), help="Its folder [default: baselines/NAME next to it]."
)
def accept_command(bundle: Path, reason: str, by: str | None, target: Path | None) -> None:
    """Make BUNDLE the baseline: its numbers, without pages; accepted.yaml says when, why and, if a name is known, by
    whom.

    Only a complete bundle is accepted: the whole battery, no failed probe, and no failed run since.
    """
    from reportgen.cli.terminal import tell, tell_place
    from reportgen.workflows.baselines import accept_bundle

    accepted = accept_bundle(bundle, reason, by=by, target=target)
    if accepted.source:
        tell(f"accepted by {accepted.by} ({accepted.source}; --by names another)", err=True)
    elif not accepted.by:
        tell("accepted without a name: --by gives one", err=True)
    tell_place(accepted.place)


@command.command("calibrate")
@click.argument("battery", type=click.Path(path_type=Path))
@click.option("--runs", type=click.IntRange(2, 50), default=5, show_default=True, help="How many times it runs.")
@click.option(
    "--baseline",
    type=click.Path(path_type=Path),
    help="The baseline's folder [default: baselines/NAME next to BATTERY].",
)
@click.option("--quiet", is_flag=True, help="Print only errors and where the tolerances are.")
def calibrate_command(battery: Path, runs: int, baseline: Path | None, quiet: bool) -> None:
    """Run BATTERY several times, with different threads and batches, and keep how far each number moved as its
    tolerance.

    Each kind of machine (architecture, processor, devices) has tolerances of its own; a bundle from another one is
    compared with the widest of them, and says so. The battery's own tolerances take precedence.
    """
    from reportgen.cli.progress import show_progress
    from reportgen.cli.terminal import tell_place
    from reportgen.workflows.baselines import calibrate

    with show_progress(quiet=quiet) as progress:
        tolerances = calibrate(battery, baseline, runs=runs, progress=progress)
    tell_place(tolerances)
