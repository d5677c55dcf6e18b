"""From a battery to its numbers, in this process: the whole of its work, or a part."""

import datetime
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from reportgen.battery.model_entry import ModelEntry
from reportgen.battery.reader import Battery, load_battery
from reportgen.errors import BatteryError, Mistake
from reportgen.numerals import count_items
from reportgen.results.bundle import Bundle
from reportgen.results.part import KEY
from reportgen.results.provenance import machine, versions

Progress = Callable[[str], None]


@dataclass(frozen=True)
class BatteryChoice:
    """A battery's file, and what the command line chooses of it and for its models."""

    path: Path
    only: tuple[str, ...] = ()
    device: str | None = None
    dtype: str | None = None
    threads: int | None = None
    commits: Mapping[str, str] = field(default_factory=dict, hash=False)
    """As of a battery: what another process has resolved its hub ids to."""

    def load(self) -> Battery:
        """The battery, with these choices.

        Raises:
            BatteryError: it is wrong, or a choice is.
        """
        battery = load_battery(self.path, self.only)
        battery = replace(battery, commits=self.commits)
        return _choose_for_models(battery, device=self.device, dtype=self.dtype, threads=self.threads)


def measure(
    battery: Battery,
    progress: Progress = lambda line: None,
    *,
    cache: bool = True,
    part: str | None = None,
    announced: bool = False,
) -> Bundle:
    """The numbers of a battery, in memory: nothing is drawn, nothing is written but the cache.

    Args:
        battery: what is measured.
        progress: is told one plain line a finished piece of work.
        cache: whether to take what earlier runs found, and to keep what this one finds.
        part: K/N, where it is a part of the work.
        announced: whether it was told before what is to be done.

    Raises:
        BatteryError, ModelError: as `run`.
    """
    from reportgen.running.division import add_other_parts, make_part
    from reportgen.running.execute import execute
    from reportgen.running.outcome_cache import OutcomeCache
    from reportgen.running.plan import make_plan, make_plan_afresh
    from reportgen.running.planned import describe_passes

    share = None if part is None else read_share(part)
    started = datetime.datetime.now(datetime.UTC)
    found_before = OutcomeCache(cache)
    announce = (lambda line: None) if announced else progress
    announce(f"{count_items(len(battery.probes), 'probe')} on {', '.join(battery.models)}")
    plan = make_plan(battery, progress, found_before)
    held = None if share is None else make_part(make_plan_afresh(plan, progress), *share)
    here = plan if held is None else plan.narrow_to(held.subjects)
    if held is not None:
        announce(f"part {held.this} of {held.of}: {', '.join(held.subjects)}")
    asked = [*here.models, *(model for pair in here.pairs for model in pair.models)]
    if any(model.prompts for model in asked):
        announce(f"{describe_passes(asked)}; the first model is being loaded")  # which takes seconds
    results = execute(here, progress, found_before)
    if held is not None:
        add_other_parts(results, plan, held)
    record = {
        "started": started.isoformat(timespec="seconds"),
        "versions": versions(),
        "machine": machine(),
        "durations": {step: round(seconds, 3) for step, seconds in results.durations.items()},
        "from_cache": results.kept,
        "tolerances": {glob: entry.model_dump(exclude_none=True) for glob, entry in battery.tolerances.items()},
        **({} if held is None else {KEY: held.dump_stored()}),
    }
    return Bundle(None, battery.title, results.models, results.outcomes, record)


def read_share(part: str) -> tuple[int, int]:
    """K and N of "K/N": which part, of how many.

    Raises:
        BatteryError: it is none.
    """
    found = re.fullmatch(r"([1-9][0-9]{0,5})/([1-9][0-9]{0,5})", part)
    if found is None or int(found[1]) > int(found[2]):
        raise BatteryError(Mistake(f"--part: {part!r} is no part", "write K/N, as 2/5: the second of five"))
    return int(found[1]), int(found[2])


def _choose_for_models(battery: Battery, **chosen: str | int | None) -> Battery:
    """The battery with the command line's choices for every model."""
    changes: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
    for name in changes.keys() & set(battery.axes):
        told = f"--{name}: the battery's matrix lists values of {name}, and its models are called by them"
        raise BatteryError(Mistake(told, f"Leave --{name} out, or list other values in the battery.", battery.path))
    try:
        models = {id: ModelEntry(**(entry.model_dump() | changes)) for id, entry in battery.models.items()}
    except ValidationError as error:
        told = "; ".join(f"--{detail['loc'][0]}: {detail['msg']}" for detail in error.errors())
        raise BatteryError(Mistake(told, "devices are auto, cpu, cuda, cuda:N and mps")) from error
    return replace(battery, models=models)
