"""`reportgen plan`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from reportgen.numerals import count_items

if TYPE_CHECKING:
    from reportgen.running.planned import PlannedCase, PlannedModel, PlannedPair


@click.command("plan")
@click.argument("battery", type=click.Path(path_type=Path))
@click.option("--only", multiple=True, metavar="ID", help="Plan only this probe; may be repeated.")
def command(battery: Path, only: tuple[str, ...]) -> None:
    """Print what BATTERY would do: which prompts pass through which model, for which probe, what would be skipped, what
    the cache already holds, and about how much memory the passes take.
    """
    from reportgen.cli.terminal import tell
    from reportgen.workflows.report import plan

    planned = plan(battery, only=only, progress=lambda line: tell(line, err=True))
    for model in planned.models:
        if model.readied is None:
            tell(f"{model.id}: cannot be used: {model.failed}")
            continue
        work = _work(model) if model.cases else "only in a pair"
        tell(f"{model.id}: {model.name}, {work}")
        for case in model.cases:
            tell(f"  {case.entry.id} ({case.entry.probe.name}): {_describe_case(case)}")
    for pair in planned.pairs:
        tell(f"{pair.cases[0].subject}: {_work_of_pair(pair)}")
        for case, half in zip(pair.cases, pair.models[0].cases, strict=True):
            tell(f"  {case.entry.id} ({case.entry.probe.name}): {_describe_case(half)}")


def _work(model: "PlannedModel") -> str:
    from reportgen.running.memory import describe_reading, estimate_per_device, read_free_memory
    from reportgen.running.outcome_key import threads_of
    from reportgen.running.planned import describe_passes

    if model.all_kept:
        return _explain_nothing(model)
    assert model.readied is not None
    where = model.readied.device
    if where == "cpu":
        where += f" with {count_items(threads_of(model.entry), 'thread')}"
    needed = estimate_per_device(model)
    here, free = needed["cpu"], read_free_memory()
    others = [f"{size / 1e9:.1f} GB of {device}'s" for device, size in needed.items() if device != "cpu"]
    told = (
        f"{describe_passes([model])} on {where}; takes about {', '.join([f'{here / 1e9:.1f} GB of memory', *others])}"
    )
    if free is not None and here > free and not model.entry.stream:
        told += f", and {free / 1e9:.1f} GB are free: stream: true reads its blocks from the disk instead"
    return "; ".join([told, *filter(None, [describe_reading(model)])])


def _work_of_pair(pair: "PlannedPair") -> str:
    from reportgen.running.memory import estimate_together
    from reportgen.running.planned import describe_passes

    if unusable := [model.id for model in pair.models if model.readied is None]:
        return f"cannot be run without {' and '.join(unusable)}"
    if pair.models[0].all_kept:
        return _explain_nothing(pair.models[0])
    memory = estimate_together(pair.models) / 1e9
    return f"{describe_passes(pair.models[:1])} each of the two; takes about {memory:.1f} GB of memory"


def _explain_nothing(model: "PlannedModel") -> str:
    cached = any(case.kept is not None for case in model.cases)
    return "nothing to run: everything is in the cache" if cached else "nothing to run"


def _describe_case(case: "PlannedCase") -> str:
    if case.kept is not None:
        return "in the cache"
    if case.failed:
        return f"fails: {case.failed}"
    if case.skipped:
        return f"skipped: {case.skipped}"
    if not case.sides:
        return "cannot be run"
    further = [count_items(case.further, "further pass", "es")] if case.further else []
    if case.passes or further:
        return ", then ".join([count_items(len(case.passes), "prompt"), *further]) + _describe_left_out(case)
    return "no prompt; reads the weights"


def _describe_left_out(case: "PlannedCase") -> str:
    reasons = dict.fromkeys(case.left_out.values())
    return f"; {count_items(len(case.left_out), 'prompt')} left out: {'; '.join(reasons)}" if reasons else ""
