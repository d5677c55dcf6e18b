"""`reportgen plan`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from reportgen.plan import PlannedCase, PlannedModel


@click.command("plan")
@click.argument("battery", type=click.Path(path_type=Path))
@click.option("--only", multiple=True, metavar="ID", help="Plan just this probe; may be repeated.")
def command(battery: Path, only: tuple[str, ...]) -> None:
    """Print what BATTERY would do: which prompts pass which model, for which probe, what would be skipped, what the
    cache already holds, and about how much memory the passes take.
    """
    from reportgen.battery import load_battery
    from reportgen.outcome_cache import OutcomeCache
    from reportgen.plan import make_plan

    plan = make_plan(load_battery(battery, only), lambda line: click.echo(line, err=True), OutcomeCache())
    for model in plan.models:
        if model.readied is None:
            click.echo(f"{model.id}: cannot be used: {model.failed}")
            continue
        click.echo(f"{model.id}: {model.readied.located.name}, {_work(model)}")
        for case in model.cases:
            click.echo(f"  {case.entry.id} ({case.entry.probe.name}): {_told(case)}")


def _work(model: "PlannedModel") -> str:
    from reportgen.conditions import threads_of
    from reportgen.footprint import memory_needed

    if model.all_kept:
        return "nothing to run: the cache holds it all"
    assert model.readied is not None
    where = model.readied.device
    if where == "cpu":
        where += f" with {_many(threads_of(model.entry), 'thread')}"
    passes = f"{_many(model.prompts, 'prompt')}, {_many(model.tokens, 'token')} to pass"
    return f"{passes} on {where}; takes about {memory_needed(model) / 1e9:.1f} GB of memory"


def _told(case: "PlannedCase") -> str:
    if case.kept is not None:
        return "in the cache"
    if case.skipped:
        return f"skipped: {case.skipped}"
    return _many(len(case.passes), "prompt") if case.passes else "no prompt; reads the weights"


def _many(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
