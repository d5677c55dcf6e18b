"""A battery made ready to run: which prompts pass which model, for whom. Imports no torch."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reportgen.battery import Battery, ModelEntry, ProbeEntry
from reportgen.errors import BatteryError, Mistake, ModelError
from reportgen.model.facts import ModelFacts, read_facts
from reportgen.model.sources import Located, locate, parse_source
from reportgen.needs import Pass
from reportgen.probes.base import Case, Unusable
from reportgen.tokens import TextTokenizer

Notify = Callable[[str], None]


@dataclass(frozen=True)
class Readied:
    """A model that lies on disk, with all that is known of it without loading it."""

    located: Located
    facts: ModelFacts
    tokenizer: TextTokenizer | None
    """None for a configuration without weights."""


@dataclass(frozen=True)
class PlannedCase:
    """One probe on one model: its first passes, or why there are none."""

    entry: ProbeEntry
    model: str
    case: Case[Any] | None
    passes: tuple[Pass, ...] = ()
    skipped: str = ""


@dataclass(frozen=True)
class PlannedModel:
    """A model with all its cases, or why it cannot be used."""

    id: str
    entry: ModelEntry
    readied: Readied | None
    cases: tuple[PlannedCase, ...]
    failed: str = ""

    @property
    def prompts(self) -> int:
        """Distinct prompts that pass the model."""
        return len({single.tokens for case in self.cases for single in case.passes})

    @property
    def tokens(self) -> int:
        """Tokens that pass it, greedy steps included."""
        steps: dict[tuple[int, ...], int] = {}
        for single in (single for case in self.cases for single in case.passes):
            steps[single.tokens] = max(steps.get(single.tokens, 0), single.steps)
        return sum(len(tokens) + most - 1 for tokens, most in steps.items())


@dataclass(frozen=True)
class Plan:
    """Everything that is known before the first model is loaded."""

    battery: Battery
    models: tuple[PlannedModel, ...]


def make_plan(battery: Battery, notify: Notify = lambda line: None) -> Plan:
    """Locates the models, reads their tokenizers and asks every probe for its passes.

    Raises:
        BatteryError: a probe, or a row of one, that no model of the battery can have.
        ModelError: not one model can be used.
    """
    _check_sources(battery)
    used = [id for id in battery.models if any(id in entry.models for entry in battery.probes.values())]
    models = tuple(_plan_model(battery, id, notify) for id in used)
    if all(model.readied is None for model in models):
        raise ModelError(*(Mistake(f"model {model.id}: {model.failed}") for model in models))
    mistakes = [mistake for entry in battery.probes.values() for mistake in _impossible(battery, entry, models)]
    if mistakes:
        raise BatteryError(*mistakes)
    return Plan(battery, models)


def _check_sources(battery: Battery) -> None:
    """Refuses sources that cannot be meant, all at once."""
    mistakes = []
    for id, entry in battery.models.items():
        try:
            parse_source(entry.source, entry.revision)
        except BatteryError as error:
            place = f"models.{id}"
            mistakes += [
                Mistake(f"{place}: {told.message}", told.remedy, battery.path, battery.lines.get(place))
                for told in error.mistakes
            ]
    if mistakes:
        raise BatteryError(*mistakes)


def _plan_model(battery: Battery, id: str, notify: Notify) -> PlannedModel:
    entry = battery.models[id]
    entries = [probe for probe in battery.probes.values() if id in probe.models]
    try:
        readied = _ready(entry, notify)
    except ModelError as error:
        return PlannedModel(id, entry, None, tuple(PlannedCase(probe, id, None) for probe in entries), str(error))
    return PlannedModel(id, entry, readied, tuple(_plan_case(probe, id, readied) for probe in entries))


def _ready(entry: ModelEntry, notify: Notify) -> Readied:
    located = locate(parse_source(entry.source, entry.revision), notify)
    tokenizer = TextTokenizer.from_folder(located.folder) if located.weights else None
    return Readied(located, read_facts(located.config), tokenizer)


def _plan_case(entry: ProbeEntry, model: str, readied: Readied) -> PlannedCase:
    if entry.probe.needs_weights and readied.tokenizer is None:
        return PlannedCase(entry, model, None, skipped="a configuration without weights: only the census can be taken")
    case = Case(entry.id, (model,), entry.options, readied.tokenizer, readied.facts)
    try:
        return PlannedCase(entry, model, case, tuple(entry.probe.passes(case)))
    except Unusable as unusable:
        return PlannedCase(entry, model, case, skipped=str(unusable))


def _impossible(battery: Battery, entry: ProbeEntry, models: Iterable[PlannedModel]) -> list[Mistake]:
    """What no model of the battery can give: known from the texts alone, so a mistake of the battery."""
    cases = [case for model in models for case in model.cases if case.entry is entry and model.readied is not None]
    if not cases:
        return []

    def mistake(message: str, remedy: str) -> Mistake:
        return Mistake(f"probes.{entry.id}: {message}", remedy, battery.path, battery.lines.get(f"probes.{entry.id}"))

    if all(case.skipped for case in cases):
        by_reason: dict[str, list[str]] = {}
        for case in cases:
            by_reason.setdefault(case.skipped, []).append(case.model)
        told = "; ".join(f"{reason} ({', '.join(ids)})" for reason, ids in by_reason.items())
        return [mistake(told, "no model can run it: change its prompts or options, or leave it out")]
    rows: list[Mapping[str, str]] = [
        entry.probe.skipped_rows(case.case) for case in cases if case.case is not None and not case.skipped
    ]
    nowhere = set.intersection(*(set(refused) for refused in rows)) if rows else set()
    return [
        mistake(f"{row!r} can be used in no model: {refused}", "change it, or leave it out")
        for row, refused in rows[0].items()
        if row in nowhere
    ]
