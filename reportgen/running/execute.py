"""From a plan to outcomes: one model or pair at a time, each prompt through it once, each probe on what it gave."""

import gc
import importlib
import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from reportgen.cache import Unfinished
from reportgen.documents.places import Places, places
from reportgen.errors import Mistake, ModelError, OutOfTime, reason_of
from reportgen.model.files.weights_hash import weights_sha256
from reportgen.model.needs import Unmeasurable
from reportgen.model.network.own_code import in_words
from reportgen.probing.probe import Later, Measured, PairProbe, Probe
from reportgen.processes.supervision import ended_before, underway
from reportgen.results.quantities import Cell, Findings, Outcome, Table, WrongFindings
from reportgen.results.section import ModelCard
from reportgen.running.conditions import Conditions, conditions, contents_named, threads_of
from reportgen.running.outcome_cache import Kept, OutcomeCache
from reportgen.running.plan import Plan, PlannedCase, PlannedModel, Readied, Side
from reportgen.running.time_limits import seconds_allowed
from reportgen.running.unchanged import Changed, refuse_changed

if TYPE_CHECKING:
    from reportgen.model.network.loaded import LoadedModel

Progress = Callable[[str], None]
"""Receives one plain line a finished piece of work."""
RunSide = Callable[[Side], Measured[Any]]
_OTHER_FILES = "a file that its options name changed while it ran: run it again"
_MANY = 20
"""Further passes of a probe from which progress tells of them."""


@dataclass
class Results:
    """What a plan came to."""

    models: dict[str, ModelCard] = field(default_factory=dict)
    outcomes: dict[str, dict[str, Outcome]] = field(default_factory=dict)
    """Probe id -> subject -> outcome, in the battery's order."""
    durations: dict[str, float] = field(default_factory=dict)
    """Seconds a step took."""
    kept: list[str] = field(default_factory=list)
    """What an earlier run had found: "probe subject", as in `durations`."""


def execute(plan: Plan, progress: Progress = lambda line: None, cache: OutcomeCache | None = None) -> Results:
    """Runs every model of a plan in turn, then every pair; what is finished is kept in the cache at once.

    Raises:
        ModelError: no model could be loaded; there is nothing to report.
    """
    with ThreadPoolExecutor(max_workers=1) as beside:
        running = _Running(plan, progress, cache or OutcomeCache(used=False), beside)
        for planned in plan.models:
            if planned.cases:
                running.run([planned], planned.cases)
        for pair in plan.pairs:
            running.run(pair.models, pair.cases)
    return running.ended()


@dataclass(frozen=True)
class _Ready:
    """A model whose conditions are known, in memory only where there is something to measure."""

    planned: PlannedModel
    known: Conditions
    facts: Mapping[str, Any]
    """How it ran."""
    model: "LoadedModel | None"


class _Running:
    """A plan under way."""

    def __init__(self, plan: Plan, progress: Progress, cache: OutcomeCache, beside: Executor) -> None:
        self._plan = plan
        self._progress = progress
        self._cache = cache
        self._beside = beside
        self._results = Results(outcomes={id: {} for id in plan.battery.probes})
        self._failed: dict[str, str] = {}
        """Model id -> why it cannot be used."""
        self._places = _places(plan)

    def run(self, models: Sequence[PlannedModel], cases: Sequence[PlannedCase]) -> None:
        """All cases about one model, or about one pair of models, which are in memory together."""
        ready = self._from_cache(models, cases) or self._loaded(models)
        if len(ready) < len(models):
            reason = self._reason(models)
            for case in cases:
                self._results.outcomes[case.entry.id][case.subject] = _without_numbers(case, "failed", reason)
            return
        for one in ready:
            self._results.models[one.planned.id] = _card(one.planned, one.facts)
        try:
            for ended in _run_cases(cases, ready, self._cache, self._progress):
                self._take(ended)
        except Changed as changed:
            self._withdraw(changed.planned, str(changed))
            self.run(models, cases)

    def ended(self) -> Results:
        """Everything, once all was run.

        Raises:
            ModelError: no model could be used.
        """
        if len(self._failed) == len(self._plan.models):
            raise ModelError(*(Mistake(f"model {id}: {reason}") for id, reason in self._failed.items()))
        cards = self._results.models
        self._results.models = {one.id: cards.get(one.id) or _card(one, {}) for one in self._plan.models}
        return self._results

    def _from_cache(self, models: Sequence[PlannedModel], cases: Sequence[PlannedCase]) -> list[_Ready]:
        """The models without their weights, where there is nothing to measure and it is known how they ran."""
        if any(not case.settled for case in cases):
            return []
        ready = []
        for planned in models:
            if planned.id in self._failed or (planned.readied is not None and planned.readied.watched.changed()):
                return []
            known = planned.readied.conditions if planned.readied is not None else None
            facts = self._cache.facts(known) if known is not None else None
            if known is None or facts is None:
                return []
            ready.append(_Ready(planned, known, facts, None))
        return ready

    def _loaded(self, models: Sequence[PlannedModel]) -> list[_Ready]:
        """The models in memory; none where one is known to be unusable, else those before the first that is."""
        for planned in models:
            if planned.readied is None:
                self._fail(planned, planned.failed)
        if any(planned.id in self._failed for planned in models):
            return []
        ready = []
        gc.collect()  # a network is full of circles: the last one is to be gone before the next is there
        for planned in models:
            if told := ended_before("load", planned.id):
                self._fail(planned, told)
                break
            try:
                with underway("load", planned.id):
                    ready.append(self._load(planned))
            except Changed as changed:
                self._withdraw(planned, str(changed))
                break
            except ModelError as error:
                self._fail(planned, error.in_one_line)
                break
            except Exception as error:  # whatever is wrong with one model, its hash too, ends no other's results
                if os.environ.get("REPORTGEN_DEBUG"):
                    raise
                self._fail(planned, f"the model could not be made ready: {in_words(error)}")
                break
        return ready

    def _fail(self, planned: PlannedModel, reason: str) -> None:
        if planned.id not in self._failed:
            reason = self._places.left_out_of(reason)
            self._failed[planned.id] = reason
            self._progress(f"model {planned.id} failed: {reason}")
            self._results.models[planned.id] = _card(planned, {"failed": reason})

    def _withdraw(self, planned: PlannedModel, reason: str) -> None:
        """Takes back what was found in a model that has changed since: no one knows any longer which model that was."""
        self._fail(planned, reason)
        for id, of_one in self._results.outcomes.items():
            for subject, outcome in of_one.items():
                if planned.id in outcome.models:
                    without = replace(outcome, status="failed", reason=reason, metrics={}, tables={}, arrays={})
                    of_one[subject] = without
                    self._results.kept = [step for step in self._results.kept if step != f"{id} {subject}"]

    def _load(self, planned: PlannedModel) -> _Ready:
        readied = planned.readied
        assert readied is not None
        refuse_changed([planned])
        # Hashing the weights waits for the disk, not for the interpreter: it runs while they are loaded.
        digest = self._beside.submit(_digest, readied)
        started = time.perf_counter()
        try:
            model = _load(planned, readied)
        finally:  # what changes while it is read may fail in any way
            refuse_changed([planned])
        _import_libraries(planned.cases)
        self._progress(f"{readied.located.name} loaded and proven")
        step, durations = f"load {planned.id}", self._results.durations
        durations[step] = durations.get(step, 0.0) + time.perf_counter() - started
        device = model.device.type
        try:
            known = conditions(readied.located, planned.entry, weights_sha256=digest.result(), device=device)
        finally:
            refuse_changed([planned])
        facts = _as_run(model, known)
        self._cache.keep_facts(known, facts)
        return _Ready(planned, known, facts, model)

    def _reason(self, models: Sequence[PlannedModel]) -> str:
        """Why a model cannot be used, or which of a pair cannot."""
        told = {planned.id: self._failed[planned.id] for planned in models if planned.id in self._failed}
        return "; ".join(f"model {id}: {reason}" if len(models) > 1 else reason for id, reason in told.items())

    def _take(self, one: "Ended") -> None:
        case, outcome = one.case, one.outcome
        if outcome.reason:
            outcome = replace(outcome, reason=self._places.left_out_of(outcome.reason))
        step = f"{case.entry.id} {case.subject}"
        self._results.outcomes[case.entry.id][case.subject] = outcome
        if one.kept:
            self._results.kept.append(step)
        else:
            self._results.durations[step] = one.seconds
        reason = f" ({outcome.reason})" if outcome.reason else ", found by an earlier run" if one.kept else ""
        self._progress(f"{case.entry.id} on {case.subject}: {outcome.status}{reason}")


def _places(plan: Plan) -> Places:
    """What may be told of where a battery and its models lie: the bundle is passed on."""
    battery = plan.battery
    found = [(one.readied.located, one.entry.source) for one in plan.models if one.readied is not None]
    named = {located.folder if located.weights else located.config: source for located, source in found}
    options = (entry.options.model_dump_json(round_trip=True) for entry in battery.probes.values())
    written = "\n".join([*(entry.source for entry in battery.models.values()), *options])
    return places(named, battery.folder, written)


def _import_libraries(cases: Iterable[PlannedCase]) -> None:
    """What probes need beside torch: loaded once, and in nobody's measured time."""
    for case in cases:
        if not case.settled:
            for module in case.entry.probe.libraries:
                importlib.import_module(module)


def _load(planned: PlannedModel, readied: Readied) -> "LoadedModel":
    from reportgen.model.load import load, load_shape

    if not readied.located.weights:
        return load_shape(readied.located.config)
    entry = planned.entry
    return load(readied.located, dtype=entry.dtype, device=entry.device, threads=threads_of(entry), batch=entry.batch)


@dataclass(frozen=True)
class Ended:
    """A case with its outcome, and how it came by it."""

    case: PlannedCase
    outcome: Outcome
    seconds: float = 0.0
    kept: bool = False
    """True where an earlier run had found it."""


def _run_cases(
    cases: Sequence[PlannedCase], ready: Sequence[_Ready], cache: OutcomeCache, progress: Progress
) -> Iterator[Ended]:
    """Each case with its outcome; a prompt shared by several passes a model when the first of them needs it."""
    known = [one.known for one in ready]
    # What was hashed only after the plan was made may turn out to be a model that was run before.
    kept = {case.entry.id: case.kept or (None if case.settled else cache.find(known, case.entry)) for case in cases}
    left = [case for case in cases if kept[case.entry.id] is None]
    run = [_passing(one, [case.sides[at] for case in left if case.sides]) for at, one in enumerate(ready)]
    for case in cases:
        found = kept[case.entry.id]
        if found is not None:
            yield Ended(case, replace(found.outcome, **_header(case)), kept=True)
            continue
        started = time.perf_counter()
        unfinished = cache.unfinished(known, case.entry, lambda: refuse_changed([one.planned for one in ready]))
        outcome = _outcome(case, run, progress, unfinished)
        # Weights are read from the disk as they are needed, not all at once when they are loaded.
        refuse_changed([one.planned for one in ready])
        if outcome.status == "ok" and contents_named(case.entry) != case.named:
            outcome = _without_numbers(case, "failed", _OTHER_FILES)
        if outcome.status == "ok":
            name = " → ".join(_name(one.planned) for one in ready)
            cache.keep(known, case.entry, Kept(outcome, case.skipped_rows), model=name)
        yield Ended(case, outcome, time.perf_counter() - started)


def _name(planned: PlannedModel) -> str:
    return planned.readied.located.name if planned.readied is not None else planned.id


def _passing(ready: _Ready, sides: Sequence[Side]) -> RunSide:
    """Runs what a case asks of a model; a prompt that several ask for passes it once."""
    model = ready.model
    if model is None:
        return _nothing_to_run
    import torch

    from reportgen.model.capture.shared_passes import SharedPasses, run_all

    shared = SharedPasses(model, [single for side in sides for single in side.passes])

    def run(side: Side) -> Measured[Any]:
        torch.set_num_threads(threads_of(ready.planned.entry))  # the other model of a pair may have another number
        torch.set_default_dtype(torch.float32)  # a third party's probe may have left another
        try:
            captured = shared.run(side.passes)
        except (Unmeasurable, KeyboardInterrupt, OutOfTime):
            raise
        except BaseException:  # what a third party's probe wants of a prompt breaks no other's: each alone, then
            captured = run_all(model, side.passes)
        return Measured(side.case, model, captured)

    return run


def _nothing_to_run(side: Side) -> Measured[Any]:
    raise AssertionError(f"{side.case.id} is to be measured in a model that is not there")


def _outcome(case: PlannedCase, run: Sequence[RunSide], progress: Progress, unfinished: Unfinished) -> Outcome:
    if case.skipped:
        return _without_numbers(case, "skipped", case.skipped)
    piece = ("measure", case.entry.id, case.subject)
    if told := case.failed or ended_before(*piece):
        return _without_numbers(case, "failed", told)
    seconds = seconds_allowed(case)
    try:
        with underway(*piece, seconds=seconds):
            findings = _findings(case, run, progress, unfinished)
            return Outcome(
                **_header(case),
                status="ok",
                metrics=findings.metrics(),
                tables=_with_left_out(findings.tables(), case.left_out),
                arrays=findings.arrays(),
            )
    except Unmeasurable as unmeasurable:
        return _without_numbers(case, "skipped", str(unmeasurable))
    except KeyboardInterrupt:
        raise
    except OutOfTime:
        return _without_numbers(case, "failed", f"it took longer than its {seconds:,.0f} s (timeout of the probe)")
    except BaseException as error:  # a probe may raise anything, an end of the program too: the others run
        if os.environ.get("REPORTGEN_DEBUG"):
            raise
        return _without_numbers(case, "failed", reason_of(error))


def _with_left_out(tables: dict[str, Table], left_out: Mapping[str, str]) -> dict[str, Table]:
    """The tables, with the prompts that the model cannot read among what a probe could not measure."""
    if not left_out:
        return tables
    known = tables.get("skipped", Table(("prompt", "reason"), []))
    between: list[Cell] = [None] * (len(known.columns) - 2)
    rows = [[prompt, *between, reason] for prompt, reason in left_out.items()]
    return tables | {"skipped": Table(known.columns, [*known.rows, *rows])}


def _findings(case: PlannedCase, run: Sequence[RunSide], progress: Progress, unfinished: Unfinished) -> Findings:
    import torch

    probe = case.entry.probe
    with torch.inference_mode():
        measured = [run_one(side) for run_one, side in zip(run, case.sides, strict=True)]
        if isinstance(probe, PairProbe):
            base, other = measured
            return _declared(probe, probe.compare(base, other))
        (one,) = measured
        found = probe.run(replace(one.case, unfinished=unfinished), one.model, one.captured)
        if isinstance(found, Generator):
            found = _staged(found, one.model, _told_by_tenths(case, progress))
        return _declared(probe, found)


def _declared(probe: Probe[Any, Any], found: Any) -> Findings:
    """What a probe gave, where that is what it declares."""
    if not isinstance(found, probe.findings):
        raise WrongFindings(f"it gave a {type(found).__name__}, not {probe.findings.__name__}")
    return found


def _told_by_tenths(case: PlannedCase, progress: Progress) -> Callable[[int], None]:
    """Tells of further passes as they are done: a line for a tenth of them, where there are many."""
    counted = 0

    def tell(done: int) -> None:
        nonlocal counted
        before, counted = counted, counted + done
        if case.further >= _MANY and counted * 10 // case.further > before * 10 // case.further:
            progress(f"{case.entry.id} on {case.subject}: {counted:,} of {case.further:,} further passes")

    return tell


def _staged(later: Later[Any], model: "LoadedModel", tell: Callable[[int], None]) -> Any:
    """Runs the further passes that a probe asks for, until it has its findings."""
    from reportgen.model.capture.shared_passes import run_all

    try:
        passes = next(later)
        while True:
            captured = run_all(model, passes)
            tell(len(passes))
            passes = later.send(captured)
    except StopIteration as finished:
        return finished.value


def _header(case: PlannedCase) -> dict[str, Any]:
    probe, options = case.entry.probe, case.entry.options
    written = options.model_dump(mode="json", by_alias=True, exclude_none=True)
    sets = {
        name: {"title": used.title, "source": used.source, "what_to_see": used.what_to_see}
        for name, used in case.entry.prompt_sets.items()
    }
    return {
        "probe": probe.name,
        "version": probe.version,
        "options": written,
        "models": case.models,
        "prompt_sets": sets,
    }


def _without_numbers(case: PlannedCase, status: Any, reason: str) -> Outcome:
    return Outcome(**_header(case), status=status, reason=reason)


def _digest(readied: Readied | None) -> str:
    """The hash of a model's weights; empty where it has none."""
    return weights_sha256(readied.located.folder) if readied is not None and readied.located.weights else ""


def _card(planned: PlannedModel, as_run: Mapping[str, Any]) -> ModelCard:
    """What the report says of a model; of one that failed, only what was asked for."""
    source = {"source": planned.entry.source}
    if planned.readied is None:
        return ModelCard(planned.id, planned.entry.name or planned.entry.source, "", 0, {**source, **as_run})
    located, facts = planned.readied.located, planned.readied.facts
    known = {
        "revision": located.revision,
        "model_type": facts.model_type,
        "hidden_size": facts.hidden_size,
        "heads": facts.heads,
        "kv_heads": facts.kv_heads,
        "vocabulary": facts.vocabulary,
        "context_length": facts.context_length,
    }
    name = planned.entry.name or located.name
    return ModelCard(planned.id, name, facts.architecture, facts.layers or 0, {**source, **known, **as_run})


def _as_run(model: "LoadedModel", known: Conditions) -> dict[str, Any]:
    apart = model.cache_apart
    told = "" if apart is None else f"without its cache: a step that reads it is {apart:.0%} off the whole text"
    return {
        "dtype": model.number_format,
        "device": str(model.device),
        "attention": known.attention,
        "threads": known.threads,
        "batch": known.batch,
        "weights_sha256": known.weights or None,
        "tokenizer_sha256": known.tokenizer if known.weights else None,
        **({"continued": told} if told else {}),
    }
