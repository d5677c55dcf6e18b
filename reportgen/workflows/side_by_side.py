"""Several models measured apart from each other by an engine, and their numbers joined.

Each model, and each pair, is a part of its battery like those that are run on several machines: its process measures
what a run of all measures in it, with the same threads. A process that ends without its numbers is a model that failed.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from reportgen.battery.reader import Battery
from reportgen.engines.elsewhere import list_variables
from reportgen.engines.local import LocalEngine
from reportgen.engines.task import Demand, Engine, Task
from reportgen.errors import Mistake, ModelError
from reportgen.model.files.device import count_accelerators, default_threads
from reportgen.numerals import count_items
from reportgen.results.bundle import Bundle, load_bundle
from reportgen.results.holding import make_folder_beside
from reportgen.results.joining import Parts
from reportgen.workflows.measuring import BatteryChoice, measure
from reportgen.workflows.part_process import PartTask

if TYPE_CHECKING:
    from reportgen.running.planned import Plan, PlannedModel

Progress = Callable[[str], None]
_PROCESS = "reportgen.workflows.part_process"


def measure_side_by_side(
    battery: Battery, chosen: BatteryChoice, engine: Engine, target: Path, progress: Progress, *, cache: bool
) -> Bundle:
    """The numbers of a battery, as `measure` gives them, whose models and pairs an engine measures.

    Args:
        battery: as it was chosen.
        chosen: where it lies, for the processes.
        engine: runs them.
        target: the parts lie beside it until they are joined.
        progress: is told one plain line a finished piece of work.
        cache: whether to take what earlier runs found, and to keep what this one finds.

    Raises:
        BatteryError: the battery is wrong, or the engine can never have what its models take; nothing ran.
        EngineFailed: the engine is not there, or was lost.
        ModelError: no model could be used.
    """
    from reportgen.running.division import divide_plan, estimate_work
    from reportgen.running.memory import refuse_too_large
    from reportgen.running.outcome_cache import OutcomeCache
    from reportgen.running.plan import make_plan, make_plan_afresh

    plan = make_plan(battery, progress, OutcomeCache(cache))
    open_subjects = {case.subject for case in plan.cases if not case.settled}
    local = isinstance(engine, LocalEngine)
    if len(open_subjects) < (2 if local else 1):
        return measure(battery, progress, cache=cache)
    if isinstance(engine, LocalEngine):
        refuse_too_large(plan, engine.jobs)
    afresh = make_plan_afresh(plan, progress)
    parts = len(estimate_work(afresh))
    split = divide_plan(afresh, parts)
    chosen = replace(chosen, commits=plan.commits)
    progress(f"{count_items(len(battery.probes), 'probe')} on {', '.join(battery.models)}, {engine.manner}")
    demands = _estimate_demands(afresh)
    with make_folder_beside(target) as folder:
        tasks = []
        for number, (subject,) in enumerate(split, 1):
            (folder / str(number)).mkdir()
            told = PartTask(chosen, f"{number}/{parts}", cache)
            tasks.append(_make_task(subject, told, folder / str(number), demands[subject]))
        failed = engine.run(tasks, progress)
        reasons = {number: failed[task.name] for number, task in enumerate(tasks, 1) if task.name in failed}
        for subject, reason in failed.items():
            progress(f"{subject} failed: {reason}")
        if len(failed) == parts:
            raise ModelError(*(Mistake(f"model {subject}: {reason}") for subject, reason in failed.items()))
        return Parts([load_bundle(task.folder) for task in tasks if task.name not in failed]).join(reasons)


def _make_task(subject: str, told: PartTask, folder: Path, demand: Demand) -> Task:
    """The process of one part; where it is run with other variables or threads, other numbers would come out."""
    variables = list_variables() | {"OMP_NUM_THREADS": str(default_threads())}
    place = Path.cwd()
    needs = (place / told.chosen.path,)
    return Task(subject, _PROCESS, told.dump(), folder, demand, variables, place, needs)


def _estimate_demands(plan: "Plan") -> dict[str, Demand]:
    """Subject -> what it takes in a process of its own, on any machine."""
    from reportgen.running.memory import estimate_pieces
    from reportgen.running.outcome_key import threads_of

    of_models = {model.id: [model] for model in plan.models if model.cases}
    of_pairs = {pair.cases[0].subject: list(pair.models) for pair in plan.pairs}
    memory = estimate_pieces(plan)
    return {
        subject: Demand(
            max(threads_of(model.entry) for model in models),
            max(map(_count_gpus, models)),
            memory[subject],
        )
        for subject, models in (of_models | of_pairs).items()
    }


def _count_gpus(model: "PlannedModel") -> int:
    if model.readied is None or model.readied.device != "cuda":
        return 0
    return count_accelerators() if model.entry.device_map else 1
