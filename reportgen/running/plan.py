"""A battery made ready to run: which prompts pass which model, for whom. Imports no torch."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reportgen.battery.reader import Battery, ModelEntry, ProbeEntry
from reportgen.documents.watched import Watched
from reportgen.errors import BatteryError, Mistake, ModelError, ReportgenError, reason_of
from reportgen.model.files.device import SHAPE_ALONE, kind_of
from reportgen.model.files.facts import ModelFacts, read_facts
from reportgen.model.files.sources import Located, locate, parse_source
from reportgen.model.files.weights_hash import remembered_sha256
from reportgen.model.needs import Pass
from reportgen.probing.probe import Case, NoRow, PairProbe, Unusable
from reportgen.processes.supervision import ended_before, underway
from reportgen.results.quantities import WrongFindings
from reportgen.results.section import subject_of
from reportgen.running.conditions import Conditions, conditions, contents_named, files_of
from reportgen.running.outcome_cache import Kept, OutcomeCache
from reportgen.text.chat import ChatUnavailable
from reportgen.text.prompts import Prompt
from reportgen.text.tokens import TextTokenizer

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
    watched: Watched
    """Its files as they were before anything of them was read: they have to stay so until the last number is there."""
    tokenizer: TextTokenizer | None = None
    """None where there is none, or nobody asks it anything."""


@dataclass(frozen=True)
class Side:
    """What a probe asks of one model."""

    case: Case[Any]
    passes: tuple[Pass, ...]
    further: int = 0
    """Passes that are chosen by the numbers of the first."""


@dataclass(frozen=True)
class PlannedCase:
    """One probe on one subject: its first passes, or why there are none."""

    entry: ProbeEntry
    models: tuple[str, ...]
    """One id, or those of a pair."""
    sides: tuple[Side, ...] = ()
    """One a model; none where there is nothing to do."""
    skipped: str = ""
    impossible: bool = False
    """Whether what it is skipped for holds for each of its models."""
    skipped_rows: Mapping[str, str] = field(default_factory=dict)
    """Rows of it that the model cannot have, each with its reason."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Prompts that the model cannot read, each with its reason; `entry` holds the others alone."""
    kept: Kept | None = None
    """What an earlier run found; there is nothing left to do."""
    failed: str = ""
    """Why the probe could not say what it asks: a card of its own, beside which the others run."""
    named: Mapping[str, Any] = field(default_factory=dict)
    """`contents_named` before its passes were planned: files that its options name have to stay so."""

    @property
    def settled(self) -> bool:
        """Whether nothing is left to measure."""
        return self.kept is not None or bool(self.skipped or self.failed)

    @property
    def subject(self) -> str:
        """What results call it."""
        return subject_of(self.models)

    @property
    def passes(self) -> tuple[Pass, ...]:
        """The passes through all of its models."""
        return tuple(single for side in self.sides for single in side.passes)

    @property
    def further(self) -> int:
        """Passes through all of its models that are chosen by the numbers of the first."""
        return sum(side.further for side in self.sides)

    def of(self, which: int) -> "PlannedCase":
        """What it asks of one of its models alone."""
        return replace(self, models=self.models[which : which + 1], sides=self.sides[which : which + 1])


@dataclass(frozen=True)
class PlannedModel:
    """A model with all that is asked of it alone, or why it cannot be used."""

    id: str
    entry: ModelEntry
    readied: Readied | None
    cases: tuple[PlannedCase, ...] = ()
    failed: str = ""

    @property
    def all_kept(self) -> bool:
        """Whether the model has nothing left to do."""
        return self.readied is not None and all(case.settled for case in self.cases)

    @property
    def prompts(self) -> int:
        """Distinct prompts that pass the model."""
        return len({single.tokens for case in self.cases for single in case.passes})

    @property
    def further(self) -> int:
        """Passes that probes choose by the numbers of the first."""
        return sum(case.further for case in self.cases)

    @property
    def tokens(self) -> int:
        """Tokens that pass it, those of further steps included."""
        lengths: dict[Any, int] = {}
        for single in (single for case in self.cases for single in case.passes):
            length = len(single.tokens) + single.steps - 1
            lengths[single.path] = max(lengths.get(single.path, 0), length)
        return sum(lengths.values())


@dataclass(frozen=True)
class PlannedPair:
    """Two models that are loaded together, with all that is asked of them together."""

    models: tuple[PlannedModel, PlannedModel]
    """Base and other, each with its half of the cases."""
    cases: tuple[PlannedCase, ...]


@dataclass(frozen=True)
class Plan:
    """Everything that is known before the first model is loaded."""

    battery: Battery
    models: tuple[PlannedModel, ...]
    """Every model that a probe is about, alone or in a pair."""
    pairs: tuple[PlannedPair, ...] = ()
    """In the order in which the battery names them; they run after the models alone."""


def make_plan(battery: Battery, notify: Notify = lambda line: None, cache: OutcomeCache | None = None) -> Plan:
    """Locates the models, reads their tokenizers and asks every probe for its passes; what the cache holds has none.

    Raises:
        BatteryError: a probe, or a row of one, that no model of the battery can have.
        ModelError: not one model can be used.
    """
    _check_sources(battery)
    asked = [(entry, models) for entry in battery.probes.values() for models in entry.subjects]
    named = {entry.id: contents_named(entry) for entry, _ in asked if not entry.broken}
    used = [id for id in battery.models if any(id in models for _, models in asked)]
    known = {id: _model(battery, id, notify) for id in used}
    kept = [_kept([known[id] for id in models], entry, cache or OutcomeCache(used=False)) for entry, models in asked]
    open_to = {id for (_, models), found in zip(asked, kept, strict=True) if found is None for id in models}
    known |= {id: _with_tokenizer(known[id]) for id in used if id in open_to}
    cases = [replace(case, named=named.get(case.entry.id, {})) for case in _plan_cases(asked, kept, known)]
    models = tuple(replace(known[id], cases=_of(cases, (id,))) for id in used)
    if all(model.readied is None for model in models):
        raise ModelError(*(Mistake(f"model {model.id}: {model.failed}") for model in models))
    mistakes = [mistake for entry in battery.probes.values() for mistake in _impossible(battery, entry, cases, known)]
    if mistakes:
        raise BatteryError(*mistakes)
    return Plan(battery, models, _pairs(cases, known))


def _plan_cases(
    asked: Sequence[tuple[ProbeEntry, tuple[str, ...]]],
    kept: Sequence[Kept | None],
    known: dict[str, PlannedModel],
) -> list[PlannedCase]:
    """Every case; where a model's tokenizer fails on one, the model has failed in `known`, and in all of them."""
    while True:
        try:
            return [
                _plan_case(entry, [known[id] for id in models], found)
                for (entry, models), found in zip(asked, kept, strict=True)
            ]
        except _Broken as broken:
            known[broken.model] = replace(known[broken.model], readied=None, failed=broken.reason)


def _check_sources(battery: Battery) -> None:
    """Refuses sources that cannot be meant, all at once."""
    mistakes = []
    for id, entry in battery.models.items():
        try:
            parse_source(entry.source, entry.revision, battery.folder)
        except BatteryError as error:
            place = f"models.{id}"
            mistakes += [
                Mistake(f"{place}: {told.message}", told.remedy, battery.path, battery.lines.get(place))
                for told in error.mistakes
            ]
    if mistakes:
        raise BatteryError(*mistakes)


def _model(battery: Battery, id: str, notify: Notify) -> PlannedModel:
    entry = battery.models[id]
    try:
        return PlannedModel(id, entry, _ready(entry, battery.folder, notify))
    except ModelError as error:
        return PlannedModel(id, entry, None, failed=error.in_one_line)


def _ready(entry: ModelEntry, folder: Path, notify: Notify) -> Readied:
    located = locate(parse_source(entry.source, entry.revision, folder), notify)
    device = kind_of(entry.device) if located.weights else SHAPE_ALONE
    watched = Watched.begin(files_of(located))
    known = remembered_sha256(located.folder) if located.weights else ""
    told = None if known is None else conditions(located, entry, weights_sha256=known, device=device)
    return Readied(located, read_facts(located.config), device, told, watched)


def _with_tokenizer(planned: PlannedModel) -> PlannedModel:
    """A tokenizer of 262,144 tokens takes a second to read: not where nobody asks it anything."""
    readied = planned.readied
    if readied is None or not readied.located.weights:
        return planned
    try:
        tokenizer = TextTokenizer.from_folder(readied.located.folder)
        tokenizer.rows = readied.facts.vocabulary
        return replace(planned, readied=replace(readied, tokenizer=tokenizer))
    except ModelError as error:
        return replace(planned, readied=None, failed=error.in_one_line)


def _kept(models: Sequence[PlannedModel], entry: ProbeEntry, cache: OutcomeCache) -> Kept | None:
    known = [model.readied.conditions for model in models if model.readied is not None]
    told = [one for one in known if one is not None]
    return cache.find(told, entry) if len(told) == len(models) else None


def _plan_case(entry: ProbeEntry, models: Sequence[PlannedModel], kept: Kept | None) -> PlannedCase:
    ids = tuple(model.id for model in models)
    if kept is not None:
        return PlannedCase(entry, ids, skipped_rows=kept.skipped_rows, kept=kept)
    if any(model.readied is None for model in models):
        return PlannedCase(entry, ids)
    told = entry.broken or ended_before("plan", entry.id)
    if told:
        return PlannedCase(entry, ids, failed=told)
    try:
        with underway("plan", entry.id):
            return _ask(entry, models, ids)
    except WrongFindings as error:
        return PlannedCase(entry, ids, failed=str(error))
    except (ReportgenError, _Broken, KeyboardInterrupt):
        raise
    except BaseException as error:  # a third party's probe may raise anything, and try to end the program
        return PlannedCase(entry, ids, failed=reason_of(error))


def _ask(entry: ProbeEntry, models: Sequence[PlannedModel], ids: tuple[str, ...]) -> PlannedCase:
    """What a probe wants of a subject, in its own words."""
    sides, refused = [], {}
    left_out: dict[str, str] = {}
    for model in models:
        try:
            sides.append(_side(entry, model))
        except NoRow as unreadable:
            entry, left_out = _readable(entry, model) if len(models) == 1 else (entry, {})
            if left_out:
                sides.append(_side(entry, model))
            else:
                refused[model.id] = str(unreadable)
        except (Unusable, ChatUnavailable) as unusable:  # whichever way a probe asked for the prompt's tokens
            refused[model.id] = str(unusable)
    if refused:
        alone = len(set(refused.values())) == 1 and len(refused) == len(models)
        reasons = refused.values() if alone else (f"{id}: {reason}" for id, reason in refused.items())
        told = "; ".join(dict.fromkeys(reasons))
        return PlannedCase(entry, ids, skipped=told, impossible=len(refused) == len(models))
    if isinstance(entry.probe, PairProbe):
        try:
            entry.probe.comparable(*(side.case for side in sides))
        except Unusable as unusable:
            return PlannedCase(entry, ids, skipped=str(unusable))
    rows: dict[str, str] = {}
    for model, side in zip(models, sides, strict=True):
        with _about(model):
            rows |= entry.probe.skipped_rows(side.case)
    return PlannedCase(entry, ids, tuple(sides), skipped_rows=rows, left_out=left_out)


def _readable(entry: ProbeEntry, model: PlannedModel) -> tuple[ProbeEntry, dict[str, str]]:
    """The entry with the prompts alone whose tokens the model has rows for; and why it has none for the others.

    Where the options need every prompt, none is left out: the model is skipped then.
    """
    tokenizer = model.readied.tokenizer if model.readied is not None else None
    prompts = [one for one in getattr(entry.options, "prompts", None) or () if isinstance(one, Prompt)]
    reasons = [tokenizer.no_row(tokenizer.prompt_ids(one)) if tokenizer is not None else "" for one in prompts]
    kept = [one for one, reason in zip(prompts, reasons, strict=True) if not reason]
    if not kept:
        return entry, {}
    fields = type(entry.options).model_fields
    written = {field.alias or name: getattr(entry.options, name) for name, field in fields.items()}
    try:
        options = type(entry.options).model_validate({**written, "prompts": kept})
    except ValueError:
        return entry, {}
    lost = {one.called: reason for one, reason in zip(prompts, reasons, strict=True) if reason}
    return replace(entry, options=options), lost


def _side(entry: ProbeEntry, model: PlannedModel) -> Side:
    readied = model.readied
    assert readied is not None
    if entry.probe.needs_weights and not readied.located.weights:
        raise Unusable("a configuration without weights: only the census can be taken")
    case = Case(entry.id, model.id, entry.options, readied.tokenizer, readied.facts, readied.located)
    with _about(model):
        return Side(case, _checked_passes(entry.probe.passes(case)), entry.probe.further_passes(case))


def _checked_passes(passes: Iterable[Any]) -> tuple[Pass, ...]:
    """Passes as a probe names them: what is none would end the pass that others share with it."""
    asked = tuple(passes)
    for single in asked:
        if not isinstance(single, Pass):
            raise WrongFindings(f"`passes` gave a {type(single).__name__}, not a Pass")
        if not single.tokens or not all(type(token) is int and token >= 0 for token in single.tokens):
            raise WrongFindings("`passes` gave a Pass whose tokens are no ids")
    return asked


class _Broken(Exception):
    """A model whose tokenizer fails on a text: it can be asked nothing."""

    def __init__(self, model: str, reason: str) -> None:
        self.model = model
        self.reason = reason
        super().__init__(reason)


@contextmanager
def _about(model: PlannedModel) -> Iterator[None]:
    """What the tokenizer of a model raises within is about that model."""
    try:
        yield
    except ModelError as error:
        raise _Broken(model.id, str(error)) from error


def _of(cases: Iterable[PlannedCase], models: tuple[str, ...]) -> tuple[PlannedCase, ...]:
    return tuple(case for case in cases if case.models == models)


def _pairs(cases: Sequence[PlannedCase], known: Mapping[str, PlannedModel]) -> tuple[PlannedPair, ...]:
    pairs = []
    for base, other in dict.fromkeys(case.models for case in cases if len(case.models) == 2):
        together = _of(cases, (base, other))
        one, two = (
            replace(known[id], cases=tuple(case.of(which) for case in together))
            for which, id in enumerate((base, other))
        )
        pairs.append(PlannedPair((one, two), together))
    return tuple(pairs)


def _impossible(
    battery: Battery, entry: ProbeEntry, planned: Iterable[PlannedCase], known: Mapping[str, PlannedModel]
) -> list[Mistake]:
    """What no model of the battery can give: known from the texts alone, so a mistake of the battery."""
    of_entry = [case for case in planned if case.entry.id == entry.id]
    cases = [case for case in of_entry if all(known[id].readied is not None for id in case.models)]
    if not cases:
        return []

    def mistake(message: str, remedy: str) -> Mistake:
        return Mistake(f"probes.{entry.id}: {message}", remedy, battery.path, battery.lines.get(f"probes.{entry.id}"))

    if all(case.impossible for case in cases):
        by_reason: dict[str, list[str]] = {}
        for case in cases:
            by_reason.setdefault(case.skipped, []).extend(case.models)
        told = "; ".join(f"{reason} ({', '.join(ids)})" for reason, ids in by_reason.items())
        return [mistake(told, "no model can run it: change its prompts or options, or leave it out")]
    rows = [case.skipped_rows for case in cases if not case.skipped]
    if not rows:
        return []
    nowhere = set.intersection(*(set(refused) for refused in rows))
    return [
        mistake(f"{row!r} can be used in no model: {refused}", "change it, or leave it out")
        for row, refused in rows[0].items()
        if row in nowhere
    ]
