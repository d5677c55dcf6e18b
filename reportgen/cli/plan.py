"""`reportgen plan`."""

from pathlib import Path

import click


@click.command("plan")
@click.argument("battery", type=click.Path(path_type=Path))
@click.option("--only", multiple=True, metavar="ID", help="Plan just this probe; may be repeated.")
def command(battery: Path, only: tuple[str, ...]) -> None:
    """Print what BATTERY would do: which prompts pass which model, for which probe, and what would be skipped."""
    from reportgen.battery import load_battery
    from reportgen.plan import make_plan

    plan = make_plan(load_battery(battery, only), lambda line: click.echo(line, err=True))
    for model in plan.models:
        if model.readied is None:
            click.echo(f"{model.id}: cannot be used: {model.failed}")
            continue
        size = f"{_many(model.prompts, 'prompt')}, {_many(model.tokens, 'token')}"
        click.echo(f"{model.id}: {model.readied.located.name}, {size} to pass")
        for case in model.cases:
            click.echo(f"  {case.entry.id} ({case.entry.probe.name}): {_told(case.skipped, len(case.passes))}")


def _told(skipped: str, passes: int) -> str:
    if skipped:
        return f"skipped: {skipped}"
    return _many(passes, "prompt") if passes else "no prompt; reads the weights"


def _many(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
