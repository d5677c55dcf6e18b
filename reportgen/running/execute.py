"""From a plan to outcomes: one model or pair at a time; one that fails ends no other's results."""

import os
import time
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from reportgen.documents.places import Places, list_places
from reportgen.errors import Mistake, ModelError
from reportgen.model.network.own_code import describe_error
from reportgen.processes.freed_memory import give_back_freed, keep_large_apart
from reportgen.processes.supervision import find_earlier_end, track_piece
from reportgen.results.quantities import Outcome
from reportgen.results.section import ModelCard
from reportgen.running.cards import describe_model, describe_run, describe_tokenizer
from reportgen.running.cases import FinishedCase, Progress, make_without_numbers, run_cases
from reportgen.running.memory import describe_reading
from reportgen.running.outcome_cache import OutcomeCache
from reportgen.running.outcome_key import make_conditions
from reportgen.running.planned import Plan, PlannedCase, PlannedModel, let_tokenizers_rest
from reportgen.running.ready import ReadyModel, hash_weights, import_libraries, load_network
from reportgen.running.unchanged import ModelChanged, refuse_changed


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
    keep_large_apart()
    with ThreadPoolExecutor(max_workers=1) as executor:
        running = _Running(plan, progress, cache or OutcomeCache(used=False), executor)
        for planned in plan.models:
            if planned.cases:
                running.run([planned], planned.cases)
        for pair in plan.pairs:
            running.run(pair.models, pair.cases)
    let_tokenizers_rest(plan.models)  # some probes choose their texts by what they find
    return running.finish()


class _Running:
    """A plan under way."""

    def __init__(self, plan: Plan, progress: Progress, cache: OutcomeCache, executor: Executor) -> None:
        self._plan = plan
        self._progress = progress
        self._cache = cache
        self._executor = executor
        self._results = Results(outcomes={id: {} for id in plan.battery.probes})
        self._failed: dict[str, str] = {}
        """Model id -> why it cannot be used."""
        self._places = _places(plan)

    def run(self, models: Sequence[PlannedModel], cases: Sequence[PlannedCase]) -> None:
        """All cases about one model, or about one pair of models, which are in memory together."""
        ready = self._take_from_cache(models, cases) or self._load_models(models)
        if len(ready) < len(models):
            reason = self._reason(models)
            for case in cases:
                self._results.outcomes[case.entry.id][case.subject] = make_without_numbers(case, "failed", reason)
            return
        for one in ready:
            self._results.models[one.planned.id] = describe_model(one.planned, one.facts)
        try:
            for ended in run_cases(cases, ready, self._cache, self._progress):
                self._take(ended)
        except ModelChanged as changed:
            self._withdraw(changed.planned, str(changed))
            self.run(models, cases)

    def finish(self) -> Results:
        """Everything, once all was run.

        Raises:
            ModelError: no model could be used.
        """
        if len(self._failed) == len(self._plan.models):
            raise ModelError(*(Mistake(f"model {id}: {reason}") for id, reason in self._failed.items()))
        cards = self._results.models
        self._results.models = {one.id: cards.get(one.id) or describe_model(one, {}) for one in self._plan.models}
        return self._results

    def _take_from_cache(self, models: Sequence[PlannedModel], cases: Sequence[PlannedCase]) -> list[ReadyModel]:
        """The models without their weights, where there is nothing to measure and it is known how they ran."""
        if any(not case.settled for case in cases):
            return []
        ready = []
        for planned in models:
            if planned.id in self._failed or (planned.readied is not None and planned.readied.watched.list_changed()):
                return []
            known = planned.readied.conditions if planned.readied is not None else None
            facts = self._cache.facts(known) if known is not None else None
            if known is None or facts is None:
                return []
            ready.append(ReadyModel(planned, known, facts, None))
        return ready

    def _load_models(self, models: Sequence[PlannedModel]) -> list[ReadyModel]:
        """The models in memory; none where one is known to be unusable, else those before the first that is."""
        for planned in models:
            if planned.readied is None:
                self._fail(planned, planned.failed)
        if any(planned.id in self._failed for planned in models):
            return []
        ready = []
        give_back_freed()  # a network is full of circles: the last one is to be gone before the next is there
        for planned in models:
            if told := find_earlier_end("load", planned.id):
                self._fail(planned, told)
                break
            try:
                with track_piece("load", planned.id):
                    ready.append(self._load(planned))
            except ModelChanged as changed:
                self._withdraw(planned, str(changed))
                break
            except ModelError as error:
                self._fail(planned, error.in_one_line)
                break
            except Exception as error:  # whatever is wrong with one model, its hash too, ends no other's results
                if os.environ.get("REPORTGEN_DEBUG"):
                    raise
                self._fail(planned, f"the model could not be made ready: {describe_error(error)}")
                break
        return ready

    def _fail(self, planned: PlannedModel, reason: str) -> None:
        if planned.id not in self._failed:
            reason = self._places.leave_out_of(reason)
            self._failed[planned.id] = reason
            self._progress(f"model {planned.id} failed: {reason}")
            self._results.models[planned.id] = describe_model(planned, {"failed": reason})

    def _withdraw(self, planned: PlannedModel, reason: str) -> None:
        """Takes back what was found in a model that has changed since: no one knows any longer which model that was."""
        self._fail(planned, reason)
        for id, of_one in self._results.outcomes.items():
            for subject, outcome in of_one.items():
                if planned.id in outcome.models:
                    without = replace(outcome, status="failed", reason=reason, metrics={}, tables={}, arrays={})
                    of_one[subject] = without
                    self._results.kept = [step for step in self._results.kept if step != f"{id} {subject}"]

    def _load(self, planned: PlannedModel) -> ReadyModel:
        readied = planned.readied
        assert readied is not None
        refuse_changed([planned])
        # Hashing the weights waits for the disk, not for the interpreter: it runs while they are loaded.
        digest = self._executor.submit(hash_weights, readied)
        if reading := describe_reading(planned):
            self._progress(f"{planned.id} {reading}")
        started = time.perf_counter()
        try:
            model = load_network(planned, readied)
        finally:  # what changes while it is read may fail in any way
            refuse_changed([planned])
        import_libraries(planned.cases)
        self._progress(f"{planned.id} loaded and proven")
        step, durations = f"load {planned.id}", self._results.durations
        durations[step] = durations.get(step, 0.0) + time.perf_counter() - started
        device = model.device.type
        try:
            known = make_conditions(
                readied.located,
                planned.entry,
                weights_sha256=digest.result(),
                device=device,
                together=readied.together,
            )
        finally:
            refuse_changed([planned])
        facts = describe_run(model, known, describe_tokenizer(planned, kept=self._cache.used))
        self._cache.keep_facts(known, facts)
        return ReadyModel(planned, known, facts, model)

    def _reason(self, models: Sequence[PlannedModel]) -> str:
        """Why a model cannot be used, or which of a pair cannot."""
        told = {planned.id: self._failed[planned.id] for planned in models if planned.id in self._failed}
        return "; ".join(f"model {id}: {reason}" if len(models) > 1 else reason for id, reason in told.items())

    def _take(self, one: FinishedCase) -> None:
        case, outcome = one.case, one.outcome
        if outcome.reason:
            outcome = replace(outcome, reason=self._places.leave_out_of(outcome.reason))
        step = f"{case.entry.id} {case.subject}"
        self._results.outcomes[case.entry.id][case.subject] = outcome
        if one.kept:
            self._results.kept.append(step)
        else:
            self._results.durations[step] = one.seconds
        reason = f" ({outcome.reason})" if outcome.reason else ", reused from the cache" if one.kept else ""
        self._progress(f"{case.entry.id} on {case.subject}: {outcome.status}{reason}")


def _places(plan: Plan) -> Places:
    """What may be told of where a battery and its models lie: the bundle is passed on."""
    battery = plan.battery
    found = [(one.readied.located, one.entry.source) for one in plan.models if one.readied is not None]
    named: dict[Path, str] = {}
    for located, source in found:
        base, _, adapter = source.partition(" + ")
        named[located.folder if located.weights else located.config] = base
        if located.adapter is not None:
            named[located.adapter.folder] = adapter
    options = (entry.options.model_dump_json(round_trip=True) for entry in battery.probes.values())
    written = "\n".join([*(entry.source for entry in battery.models.values()), *options])
    return list_places(named, battery.folder, written)
