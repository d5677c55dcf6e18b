"""Checkpoints of a training: which step each is of, and bundles cut into one for each step.

The step is the last number after step, checkpoint, ckpt, iter or iteration in a model's id, else in its source or
revision; of a bundle of which no model tells one, in the name of its folder. What is left of the name is the course
that the checkpoint belongs to: step-100-float32 and step-200-float32 are of step-float32.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from reportgen.baseline.runs import StoredRun, make_natural_key
from reportgen.errors import BundleError, Mistake
from reportgen.numerals import write_count
from reportgen.results.bundle import RESULTS, Bundle
from reportgen.results.quantities import Outcome
from reportgen.results.section import ModelCard, subject_of

_STEP = re.compile(
    r"(?P<word>(?<![A-Za-z])(?:checkpoint|step|ckpt|iteration|iter))[-_]?(?P<step>[0-9]{1,15})(?![0-9A-Za-z]|\.[0-9])",
    re.IGNORECASE,
)
_LONGEST_ID = 64
_PAIR_OPTIONS = ("base", "other")
"""Options of a comparison that hold ids of models."""


@dataclass(frozen=True)
class Checkpoint:
    """Which step a model is of, and of which training."""

    step: int
    training: str
    """An id that the checkpoints of one training share."""


@dataclass
class Checkpoints:
    """Many bundles by step."""

    found: list[tuple[StoredRun, Bundle]] = field(default_factory=list)
    """In the order of their steps, each of another one."""
    left_out: list[Mistake] = field(default_factory=list)
    """Bundles that cannot be read or tell no step."""
    unplaced: list[str] = field(default_factory=list)
    """What of a bundle stands at no step, and why; a line each."""


def find_step(text: str) -> tuple[int, str, str] | None:
    """The step that a name tells, what an id of all such names is, and how they are shown; None where it tells none.

    "step-100-float32" is (100, "step-float32", "step-*-float32").
    """
    found = list(_STEP.finditer(text))
    if not found:
        return None
    last = found[-1]
    before, after = text[: last.end("word")], text[last.end() :]
    return int(last["step"]), before + after, f"{text[: last.start('step')]}*{after}"


def find_checkpoint(id: str, source: str) -> Checkpoint | None:
    """Which step a model is of, by its id, else by what its source says; None where neither does."""
    if of_id := find_step(id):
        return Checkpoint(of_id[0], of_id[1])
    named = [part for part in re.split(r"[/@]", source) if find_step(part)]
    if not named:
        return None
    step, stem, _ = find_step(named[-1]) or (0, "", "")
    return Checkpoint(step, re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-")[:_LONGEST_ID])


def read_by_step(runs: Iterable[StoredRun], read: Callable[[StoredRun], Bundle]) -> Checkpoints:
    """The bundles of one training, or of several that one battery ran side by side, cut by step.

    Args:
        runs: the bundles; of many checkpoints each, or of one.
        read: gives the metrics of one.
    """
    gathered = Checkpoints()
    by_step: dict[int, tuple[StoredRun, Bundle]] = {}
    for run in sorted(runs, key=lambda run: make_natural_key(run.name)):
        try:
            parts, unplaced = cut_by_step(read(run), run)
        except BundleError as error:
            gathered.left_out.extend(error.mistakes)
            continue
        gathered.unplaced += unplaced
        twice = [step for step in parts if step in by_step]
        if twice:
            told = f"it is of step {write_count(twice[0])}, as {by_step[twice[0]][0].name} is"
            remedy = "name a folder of one training, or measure several in one battery"
            gathered.left_out.append(Mistake(told, remedy, file=run.folder / RESULTS))
            continue
        by_step |= {step: (replace(run, step=step), part) for step, part in parts.items()}
    gathered.found = [by_step[step] for step in sorted(by_step)]
    return gathered


def cut_by_step(bundle: Bundle, run: StoredRun) -> tuple[dict[int, Bundle], list[str]]:
    """Step -> what the bundle says of that step, under the ids of the trainings; and what is of no step.

    Raises:
        BundleError: nothing tells a step, or two of its models are the same step of one training.
    """
    known = {id: find_checkpoint(id, str(card.facts.get("source", ""))) for id, card in bundle.models.items()}
    checkpoints = {id: one for id, one in known.items() if one is not None}
    if not checkpoints:
        of_folder = find_step(run.name)
        if of_folder is None:
            told = "neither its models nor its folder tell a step"
            remedy = "call the models, or the folder, as step-1000 or checkpoint-1000"
            raise BundleError(Mistake(told, remedy, file=run.folder / RESULTS))
        return {of_folder[0]: bundle}, []
    _refuse_same_step(checkpoints, run)
    bases = {id: card for id, card in bundle.models.items() if id not in checkpoints}
    for shared in bases.keys() & {one.training for one in checkpoints.values()}:
        told = f"{shared} is a model of no step, and what the checkpoints would be called"
        raise BundleError(Mistake(told, "give it another id", file=run.folder / RESULTS))
    names = _name_trainings(bundle.models, checkpoints)
    parts: dict[int, Bundle] = {}
    for step in sorted({one.step for one in checkpoints.values()}):
        ids = {id: one.training for id, one in checkpoints.items() if one.step == step}
        cards = {new: replace(bundle.models[id], id=new, name=names[new]) for id, new in ids.items()}
        parts[step] = replace(bundle, models=bases | cards, outcomes=_select_outcomes(bundle, ids, set(bases)))
    return parts, list(_tell_unplaced(bundle, checkpoints, run))


def _refuse_same_step(checkpoints: Mapping[str, Checkpoint], run: StoredRun) -> None:
    seen: dict[Checkpoint, str] = {}
    for id, one in checkpoints.items():
        if one in seen:
            told = f"{seen[one]} and {id} are both step {write_count(one.step)} of {one.training}"
            raise BundleError(Mistake(told, "give them ids that tell them apart", file=run.folder / RESULTS))
        seen[one] = id


def _name_trainings(cards: Mapping[str, ModelCard], checkpoints: Mapping[str, Checkpoint]) -> dict[str, str]:
    """Training -> its name: that of its last checkpoint, without the step; with its id where two share that."""
    named: dict[str, str] = {}
    for id, one in sorted(checkpoints.items(), key=lambda item: item[1].step):
        told = find_step(cards[id].name)
        named[one.training] = told[2] if told else cards[id].name
    shared = Counter(named.values())
    return {training: name if shared[name] == 1 else f"{name} ({training})" for training, name in named.items()}


def _select_outcomes(bundle: Bundle, ids: Mapping[str, str], bases: set[str]) -> dict[str, dict[str, Outcome]]:
    """What is about the models of one step, alone, with each other, or with one that is of no step."""
    selected: dict[str, dict[str, Outcome]] = {}
    for probe_id, by_subject in bundle.outcomes.items():
        for outcome in by_subject.values():
            if _is_of(outcome.models, ids, bases):
                renamed = tuple(ids.get(id, id) for id in outcome.models)
                options = {**outcome.options, **_rename_options(outcome.options, ids)}
                shown = replace(outcome, models=renamed, options=options)
                selected.setdefault(probe_id, {})[subject_of(renamed)] = shown
    return selected


def _is_of(models: Sequence[str], ids: Mapping[str, str], bases: set[str]) -> bool:
    return any(id in ids for id in models) and all(id in ids or id in bases for id in models)


def _rename_options(options: Mapping[str, Any], ids: Mapping[str, str]) -> dict[str, str]:
    return {name: ids[options[name]] for name in _PAIR_OPTIONS if options.get(name) in ids}


def _tell_unplaced(bundle: Bundle, checkpoints: Mapping[str, Checkpoint], run: StoredRun) -> Iterable[str]:
    if alone := [id for id in bundle.models if id not in checkpoints]:
        yield f"{run.name}: no step is told by {', '.join(alone)}"
    across = {
        subject
        for by_subject in bundle.outcomes.values()
        for subject, outcome in by_subject.items()
        if len({checkpoints[id].step for id in outcome.models if id in checkpoints}) > 1
    }
    if across:
        yield f"{run.name}: of two steps, and so of neither: {', '.join(sorted(across))}"
