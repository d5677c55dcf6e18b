"""From a battery to a plan: its models located, every probe asked for its passes. Imports no torch."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from reportgen.battery.model_entry import ModelEntry
from reportgen.battery.reader import Battery, ProbeEntry
from reportgen.documents.watched import WatchedFiles
from reportgen.errors import BatteryError, Mistake, ModelError
from reportgen.model.files.device import SHAPE_ALONE, kind_of
from reportgen.model.files.sources import facts_of, locate, parse_source, pin_source
from reportgen.model.files.weights_hash import recall_sha256
from reportgen.running.asking import TokenizerFails, ask_probe
from reportgen.running.outcome_cache import CachedOutcome, OutcomeCache
from reportgen.running.outcome_key import choose_together, files_of, hash_named_files, make_conditions
from reportgen.running.planned import (
    Plan,
    PlannedCase,
    PlannedModel,
    PlannedPair,
    PreparedModel,
    let_tokenizers_rest,
)
from reportgen.text.prompts import Prompt
from reportgen.text.tokens import TextTokenizer

Notify = Callable[[str], None]


def make_plan(battery: Battery, notify: Notify = lambda line: None, cache: OutcomeCache | None = None) -> Plan:
    """Locates the models, reads their tokenizers and asks every probe for its passes; what the cache holds has none.

    Raises:
        BatteryError: a probe, or a row of one, that no model of the battery can have.
        ModelError: not one model can be used.
    """
    _check_sources(battery)
    found_before = OutcomeCache(used=False) if cache is None else cache
    asked = [(entry, models) for entry in battery.probes.values() for models in entry.subjects]
    named = {entry.id: hash_named_files(entry) for entry, _ in asked if not entry.broken}
    used = [id for id in battery.models if any(id in models for _, models in asked)]
    known = _locate_models(battery, used, notify)
    kept = [_find_cached([known[id] for id in models], entry, found_before) for entry, models in asked]
    open_to = {id for (_, models), found in zip(asked, kept, strict=True) if found is None for id in models}
    known |= {id: _with_tokenizer(known[id], kept=found_before.used) for id in used if id in open_to}
    cases = [replace(case, named=named.get(case.entry.id, {})) for case in _plan_cases(asked, kept, known)]
    let_tokenizers_rest(known.values())
    models = tuple(replace(known[id], cases=_select_cases(cases, (id,))) for id in used)
    if all(model.readied is None for model in models):
        raise ModelError(*(Mistake(f"model {model.id}: {model.failed}") for model in models))
    mistakes = [
        mistake for entry in battery.probes.values() for mistake in _find_impossible(battery, entry, cases, known)
    ]
    if mistakes:
        raise BatteryError(*mistakes)
    return Plan(battery, models, _pairs(cases, known))


def make_plan_afresh(plan: Plan, notify: Notify = lambda line: None) -> Plan:
    """The same plan without what earlier runs found: what it holds differs from one machine to the next."""
    if all(case.kept is None for case in plan.cases):
        return plan
    return make_plan(replace(plan.battery, commits=plan.commits), notify)


def _plan_cases(
    asked: Sequence[tuple[ProbeEntry, tuple[str, ...]]],
    kept: Sequence[CachedOutcome | None],
    known: dict[str, PlannedModel],
) -> list[PlannedCase]:
    """Every case; where a model's tokenizer fails on one, the model has failed in `known`, and in all of them."""
    while True:
        try:
            return [
                ask_probe(entry, [known[id] for id in models], found)
                for (entry, models), found in zip(asked, kept, strict=True)
            ]
        except TokenizerFails as broken:
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


def _locate_models(battery: Battery, ids: Iterable[str], notify: Notify) -> dict[str, PlannedModel]:
    """Id -> model; a branch of the hub is one commit in all of them."""
    known: dict[str, PlannedModel] = {}
    resolved: dict[tuple[str, str | None], str] = {}
    for id in ids:
        entry = battery.models[id]
        written = entry.source, entry.revision
        known[id] = _model(battery, id, battery.commits.get(id) or resolved.get(written), notify)
        if commit := known[id].commit:
            resolved[written] = commit
    return known


def _model(battery: Battery, id: str, commit: str | None, notify: Notify) -> PlannedModel:
    entry = battery.models[id]
    try:
        return PlannedModel(id, entry, _prepare_model(battery, entry, commit, notify))
    except ModelError as error:
        return PlannedModel(id, entry, None, failed=error.in_one_line)


def _prepare_model(battery: Battery, entry: ModelEntry, commit: str | None, notify: Notify) -> PreparedModel:
    source = parse_source(entry.source, entry.revision, battery.folder)
    located = locate(source if commit is None else pin_source(source, commit), notify)
    device = kind_of(entry.device) if located.weights else SHAPE_ALONE
    watched = WatchedFiles.begin(files_of(located))
    known = recall_sha256(located.folder, located.adapter) if located.weights else ""
    together = choose_together(battery.batch, device)
    told = (
        None
        if known is None
        else make_conditions(located, entry, weights_sha256=known, device=device, together=together)
    )
    return PreparedModel(located, facts_of(located), device, told, watched, together=together)


def _with_tokenizer(planned: PlannedModel, *, kept: bool) -> PlannedModel:
    """A tokenizer of 262,144 tokens takes a second to read: not where nobody asks it anything."""
    readied = planned.readied
    if readied is None or not readied.located.weights:
        return planned
    try:
        tokenizer = TextTokenizer.from_folder(readied.located.tokenizer_folder, kept=kept)
        tokenizer.rows = readied.facts.vocabulary
        return replace(planned, readied=replace(readied, tokenizer=tokenizer))
    except ModelError as error:
        return replace(planned, readied=None, failed=error.in_one_line)


def _find_cached(models: Sequence[PlannedModel], entry: ProbeEntry, cache: OutcomeCache) -> CachedOutcome | None:
    known = [model.readied.conditions for model in models if model.readied is not None]
    told = [one for one in known if one is not None]
    return cache.find(told, entry) if len(told) == len(models) else None


def _select_cases(cases: Iterable[PlannedCase], models: tuple[str, ...]) -> tuple[PlannedCase, ...]:
    return tuple(case for case in cases if case.models == models)


def _pairs(cases: Sequence[PlannedCase], known: Mapping[str, PlannedModel]) -> tuple[PlannedPair, ...]:
    pairs = []
    for base, other in dict.fromkeys(case.models for case in cases if len(case.models) == 2):
        together = _select_cases(cases, (base, other))
        one, two = (
            replace(known[id], cases=tuple(case.narrow_to(which) for case in together))
            for which, id in enumerate((base, other))
        )
        pairs.append(PlannedPair((one, two), together))
    return tuple(pairs)


def _find_impossible(
    battery: Battery, entry: ProbeEntry, planned: Iterable[PlannedCase], known: Mapping[str, PlannedModel]
) -> list[Mistake]:
    """What no model of the battery can give: known from the texts alone, so a mistake of the battery."""
    of_entry = [case for case in planned if case.entry.id == entry.id]
    cases = [case for case in of_entry if all(known[id].readied is not None for id in case.models)]
    if not cases:
        return []

    def mistake(message: str, remedy: str, place: str = f"probes.{entry.id}") -> Mistake:
        return Mistake(f"{place}: {message}", remedy, battery.path, battery.lines.get(place))

    if all(case.impossible for case in cases):
        told = _tell_reasons((case.skipped, case.models) for case in cases)
        return [mistake(told, "no model can run it: change its prompts or options, or leave it out")]
    read = [case for case in cases if not case.skipped]
    nowhere = [row for row in (read[0].skipped_rows if read else ()) if all(row in case.skipped_rows for case in read)]
    found = []
    for row in nowhere:
        alike = len({case.skipped_rows[row] for case in read}) == 1
        reasons = _tell_reasons((case.skipped_rows[row], () if alike else case.models) for case in read)
        place = _find_place(battery, entry, row)
        found.append(mistake(f"{row!r} can be used in no model: {reasons}", "change it, or leave it out", place))
    return found


def _tell_reasons(reasons: Iterable[tuple[str, Sequence[str]]]) -> str:
    """Each reason once, with the models that it is given for."""
    by_reason: dict[str, list[str]] = {}
    for reason, ids in reasons:
        by_reason.setdefault(reason, []).extend(ids)
    return "; ".join(f"{reason} ({', '.join(ids)})" if ids else reason for reason, ids in by_reason.items())


def _find_place(battery: Battery, entry: ProbeEntry, row: str) -> str:
    """Where in the battery a row stands: that of the first prompt which is so called, else the probe."""
    for name in ("prompts", "texts"):
        for at, prompt in enumerate(getattr(entry.options, name, None) or ()):
            place = f"probes.{entry.id}.{name}[{at}]"
            if isinstance(prompt, Prompt) and prompt.called == row and place in battery.lines:
                return place
    return f"probes.{entry.id}"
