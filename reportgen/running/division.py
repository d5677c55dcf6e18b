"""A plan divided into parts that run apart from each other: on several machines, or in several processes.

All cases about one model stay together, and all about one pair: each model is then loaded once for all that is asked
of it alone. A pair is a piece of its own, wherever its two models are measured alone: it loads both of them anyway.

    work = tokens of its passes x weights that each of them meets + the weights, which are read and proven

The pieces go, the largest first, each to the part that has the least to do so far (longest processing time first, R. L.
Graham 1969: at most 4/3 of the best possible). Nothing but the plan decides: each machine comes to the same parts.
"""

from reportgen.battery.fingerprint import fingerprint_of
from reportgen.errors import BatteryError, Mistake
from reportgen.numerals import count_items
from reportgen.results.part import Part
from reportgen.results.quantities import Outcome
from reportgen.running.cases import make_without_numbers
from reportgen.running.execute import Results
from reportgen.running.planned import Plan, PlannedModel
from reportgen.running.time_limits import count_multiplications, estimate_weights

Split = tuple[tuple[str, ...], ...]
"""The subjects of each part."""


def divide_plan(plan: Plan, parts: int) -> Split:
    """The subjects of each of so many parts, each in the order in which they run.

    Args:
        plan: made without what earlier runs found: that differs from machine to machine.
        parts: how many.

    Raises:
        BatteryError: there are fewer pieces than parts.
    """
    work = estimate_work(plan)
    if parts > len(work):
        told = f"--part: {parts} parts, but the work is {count_items(len(work), 'piece')} ({', '.join(work)})"
        raise BatteryError(Mistake(told, f"divide it into {len(work)} at most: a model, or a pair, stays whole"))
    order = list(work)
    divided: list[list[str]] = [[] for _ in range(parts)]
    for subject in sorted(order, key=lambda one: (-work[one], order.index(one))):
        min(divided, key=lambda held: sum(work[one] for one in held)).append(subject)
    return tuple(tuple(sorted(held, key=order.index)) for held in divided)


def estimate_work(plan: Plan) -> dict[str, int]:
    """Subject -> the multiplications that it takes, roughly; at least 1."""
    pieces = [(model.cases, [model]) for model in plan.models if model.cases]
    pieces += [(pair.cases, list(pair.models)) for pair in plan.pairs]
    return {
        cases[0].subject: 1 + sum(map(count_multiplications, cases)) + sum(map(_weights, models))
        for cases, models in pieces
    }


def _weights(model: PlannedModel) -> int:
    return 0 if model.readied is None else estimate_weights(model.readied.facts)


def make_part(plan: Plan, this: int, parts: int) -> Part:
    """One of the parts of a plan's battery; the plan is as `divide_plan` needs it."""
    battery = plan.battery
    return Part(this, divide_plan(plan, parts), fingerprint_of(battery), battery.outputs)


def add_other_parts(results: Results, plan: Plan, part: Part) -> None:
    """Adds to the results of one part what it leaves to others, as skipped, in the order of a whole run."""
    whole: dict[str, dict[str, Outcome]] = {id: {} for id in results.outcomes}
    for case in plan.cases:
        id, subject = case.entry.id, case.subject
        elsewhere = f"it is measured in part {part.find_owner(subject)} of {part.of}"
        measured = results.outcomes[id].get(subject)
        whole[id][subject] = measured or make_without_numbers(case, "skipped", elsewhere)
    results.outcomes = whole
