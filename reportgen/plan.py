"""A battery made ready to run: which prompts pass which model, for whom. Imports no torch."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reportgen.battery import Battery, ModelEntry, ProbeEntry
from reportgen.conditions import Conditions, conditions
from reportgen.errors import BatteryError, Mistake, ModelError
from reportgen.model.device import SHAPE_ALONE, kind_of
from reportgen.model.facts import ModelFacts, read_facts
from reportgen.model.sources import Located, locate, parse_source
from reportgen.needs import Pass
from reportgen.outcome_cache import Kept, OutcomeCache
from reportgen.probes.base import Case, Unusable
from reportgen.provenance import remembered_sha256
from reportgen.tokens import TextTokenizer

Notify = Callable[[str], None]


@dataclass(frozen=True)
class Readied:
    """A model that lies on disk, with all that is known of it without loading it."""

    located: Located
    facts: ModelFacts
    device: str
    """The kind of device that it will run on: cpu, cuda, mps, …"""
    conditions: Conditions | None
    """None where the hash of the weights is not known yet."""


@dataclass(frozen=True)
class PlannedCase:
    """One probe on one model: its first passes, or why there are none."""

    entry: ProbeEntry
    model: str
    case: Case[Any] | None
    passes: tuple[Pass, ...] = ()
    skipped: str = ""
    skipped_rows: Mapping[str, str] = field(default_factory=dict)
    """Rows of it that the model cannot have, each with its reason."""
    kept: Kept | None = None
    """What an earlier run found; there is nothing left to do."""


@dataclass(frozen=True)
class PlannedModel:
    """A model with all its cases, or why it cannot be used."""

    id: str
    entry: ModelEntry
    readied: Readied | None
    cases: tuple[PlannedCase, ...]
    failed: str = ""

    @property
    def all_kept(self) -> bool:
        """Whether the model has nothing left to do."""
        return self.readied is not None and all(case.kept is not None or case.skipped for case in self.cases)

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


def make_plan(battery: Battery, notify: Notify = lambda line: None, cache: OutcomeCache | None = None) -> Plan:
    """Locates the models, reads their tokenizers and asks every probe for its passes; what the cache holds has none.

    Raises:
        BatteryError: a probe, or a row of one, that no model of the battery can have.
        ModelError: not one model can be used.
    """
    _check_sources(battery)
    used = [id for id in battery.models if any(id in entry.models for entry in battery.probes.values())]
    models = tuple(_plan_model(battery, id, cache or OutcomeCache(used=False), notify) for id in used)
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


def _plan_model(battery: Battery, id: str, cache: OutcomeCache, notify: Notify) -> PlannedModel:
    entry = battery.models[id]
    entries = [probe for probe in battery.probes.values() if id in probe.models]
    try:
        readied = _ready(entry, notify)
        kept = {probe.id: _kept(readied, probe, cache) for probe in entries}
        # A tokenizer of 262,144 tokens takes a second to read: not where nobody asks it anything.
        needed = readied.located.weights and not all(kept.values())
        tokenizer = TextTokenizer.from_folder(readied.located.folder) if needed else None
    except ModelError as error:
        return PlannedModel(id, entry, None, tuple(PlannedCase(probe, id, None) for probe in entries), str(error))
    cases = (_plan_case(probe, id, readied, tokenizer, kept[probe.id]) for probe in entries)
    return PlannedModel(id, entry, readied, tuple(cases))


def _ready(entry: ModelEntry, notify: Notify) -> Readied:
    located = locate(parse_source(entry.source, entry.revision), notify)
    device = kind_of(entry.device) if located.weights else SHAPE_ALONE
    known = remembered_sha256(located.folder) if located.weights else ""
    told = None if known is None else conditions(located, entry, weights_sha256=known, device=device)
    return Readied(located, read_facts(located.config), device, told)


def _kept(readied: Readied, entry: ProbeEntry, cache: OutcomeCache) -> Kept | None:
    return None if readied.conditions is None else cache.find(readied.conditions, entry)


def _plan_case(
    entry: ProbeEntry, model: str, readied: Readied, tokenizer: TextTokenizer | None, kept: Kept | None
) -> PlannedCase:
    if kept is not None:
        return PlannedCase(entry, model, None, skipped_rows=kept.skipped_rows, kept=kept)
    if entry.probe.needs_weights and not readied.located.weights:
        return PlannedCase(entry, model, None, skipped="a configuration without weights: only the census can be taken")
    case = Case(entry.id, (model,), entry.options, tokenizer, readied.facts)
    try:
        passes = tuple(entry.probe.passes(case))
    except Unusable as unusable:
        return PlannedCase(entry, model, case, skipped=str(unusable))
    return PlannedCase(entry, model, case, passes, skipped_rows=entry.probe.skipped_rows(case))


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
    rows = [case.skipped_rows for case in cases if not case.skipped]
    nowhere = set.intersection(*(set(refused) for refused in rows)) if rows else set()
    return [
        mistake(f"{row!r} can be used in no model: {refused}", "change it, or leave it out")
        for row, refused in rows[0].items()
        if row in nowhere
    ]
