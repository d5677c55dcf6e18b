"""From a plan to outcomes: one model at a time, each prompt through it once, each probe on what it gave."""

import gc
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from reportgen.conditions import ATTENTION, Conditions, conditions, threads_of
from reportgen.errors import Mistake, ModelError, ReportgenError
from reportgen.needs import Captured, Pass
from reportgen.outcome_cache import Kept, OutcomeCache
from reportgen.plan import Plan, PlannedCase, PlannedModel, Readied
from reportgen.probes.base import Later, ModelCard
from reportgen.provenance import weights_sha256
from reportgen.result import Findings, Outcome

if TYPE_CHECKING:
    from reportgen.model.loaded import LoadedModel

Progress = Callable[[str], None]
"""Receives one plain line a finished piece of work."""
RunPasses = Callable[[Sequence[Pass]], list[Captured]]


@dataclass
class Results:
    """What a plan came to."""

    models: dict[str, ModelCard] = field(default_factory=dict)
    outcomes: dict[str, dict[str, Outcome]] = field(default_factory=dict)
    """Probe id -> subject -> outcome, in the battery's order."""
    durations: dict[str, float] = field(default_factory=dict)
    """Seconds a step took."""
    kept: list[str] = field(default_factory=list)
    """What an earlier run had found: "probe model", as in `durations`."""


def execute(plan: Plan, progress: Progress = lambda line: None, cache: OutcomeCache | None = None) -> Results:
    """Runs every model of a plan in turn; what is finished is kept in the cache at once.

    Raises:
        ModelError: no model could be loaded; there is nothing to report.
    """
    results = Results(outcomes={id: {} for id in plan.battery.probes})
    failures: list[str] = []
    kept = cache or OutcomeCache(used=False)
    with ThreadPoolExecutor(max_workers=1) as beside:
        for planned in plan.models:
            # Hashing the weights waits for the disk, not for the interpreter: it runs while they are loaded.
            digest = beside.submit(_digest, planned.readied)
            try:
                results.models[planned.id] = _run_model(planned, digest, results, progress, kept)
            except ModelError as error:
                failures.append(f"model {planned.id}: {error}")
                progress(f"model {planned.id} failed: {error}")
                results.models[planned.id] = _card(planned, {"failed": str(error)})
                for case in planned.cases:
                    results.outcomes[case.entry.id][planned.id] = _failed(case, str(error))
    if len(failures) == len(plan.models):
        raise ModelError(*(Mistake(failure) for failure in failures))
    return results


def _run_model(
    planned: PlannedModel, digest: "Future[str]", results: Results, progress: Progress, cache: OutcomeCache
) -> ModelCard:
    readied = planned.readied
    if readied is None:
        raise ModelError(planned.failed)
    if planned.all_kept and readied.conditions is not None:
        facts = cache.facts(readied.conditions)
        if facts is not None:
            _finish(planned, _run_cases(planned, None, cache, readied.conditions), results, progress)
            return _card(planned, facts)
    started = time.perf_counter()
    gc.collect()  # a network is full of circles: the last one is to be gone before the next is there
    model = _load(planned, readied)
    progress(f"{readied.located.name} loaded and proven")
    results.durations[f"load {planned.id}"] = time.perf_counter() - started
    facts = _as_run(planned, model, digest.result())
    known = conditions(
        readied.located, planned.entry, weights_sha256=digest.result(), device=str(facts["device"]).partition(":")[0]
    )
    cache.keep_facts(known, facts)
    _finish(planned, _run_cases(planned, model, cache, known), results, progress)
    return _card(planned, facts)


def _finish(planned: PlannedModel, ended: Iterable["Ended"], results: Results, progress: Progress) -> None:
    for one in ended:
        step = f"{one.case.entry.id} {planned.id}"
        results.outcomes[one.case.entry.id][planned.id] = one.outcome
        if one.kept:
            results.kept.append(step)
        else:
            results.durations[step] = one.seconds
        reason = f" ({one.outcome.reason})" if one.outcome.reason else ", found by an earlier run" if one.kept else ""
        progress(f"{one.case.entry.id} on {planned.id}: {one.outcome.status}{reason}")


def _load(planned: PlannedModel, readied: Readied) -> "LoadedModel":
    from reportgen.model.load import load, load_shape

    if not readied.located.weights:
        return load_shape(readied.located.config)
    entry = planned.entry
    return load(readied.located, dtype=entry.dtype, device=entry.device, threads=threads_of(entry))


@dataclass(frozen=True)
class Ended:
    """A case with its outcome, and how it came by it."""

    case: PlannedCase
    outcome: Outcome
    seconds: float = 0.0
    kept: bool = False
    """True where an earlier run had found it."""


def _run_cases(
    planned: PlannedModel, model: "LoadedModel | None", cache: OutcomeCache, known: Conditions
) -> Iterator[Ended]:
    """Each case with its outcome; a prompt shared by several passes the model when the first of them needs it."""
    # What was hashed only after the plan was made may turn out to be a model that was run before.
    kept = {case.entry.id: case.kept or _found(case, cache, known) for case in planned.cases}
    left = [case for case in planned.cases if kept[case.entry.id] is None]
    run = _shared_passes(model, left)
    for case in planned.cases:
        found = kept[case.entry.id]
        if found is not None:
            yield Ended(case, replace(found.outcome, **_header(case)), kept=True)
            continue
        started = time.perf_counter()
        outcome = _outcome(case, model, run)
        if outcome.status == "ok":
            cache.keep(known, case.entry, Kept(outcome, case.skipped_rows), model=_name(planned))
        yield Ended(case, outcome, time.perf_counter() - started)


def _name(planned: PlannedModel) -> str:
    return planned.readied.located.name if planned.readied is not None else planned.id


def _found(case: PlannedCase, cache: OutcomeCache, known: Conditions) -> Kept | None:
    return None if case.skipped else cache.find(known, case.entry)


def _shared_passes(model: "LoadedModel | None", cases: Sequence[PlannedCase]) -> RunPasses:
    if model is None:
        return lambda passes: []
    from reportgen.model.capture import SharedPasses

    return SharedPasses(model, [single for case in cases for single in case.passes]).run


def _outcome(case: PlannedCase, model: "LoadedModel | None", run: RunPasses) -> Outcome:
    if case.skipped or model is None:
        return _without_numbers(case, "skipped", case.skipped)
    try:
        findings = _findings(case, model, run)
        return Outcome(
            **_header(case), status="ok", metrics=findings.metrics(), tables=findings.tables(), arrays=findings.arrays()
        )
    except Exception as error:  # a probe may raise anything; it is a failed card, and the others run
        if os.environ.get("REPORTGEN_DEBUG"):
            raise
        return _failed(case, _told(error))


def _findings(case: PlannedCase, model: "LoadedModel", run: RunPasses) -> Findings:
    import torch

    assert case.case is not None
    with torch.inference_mode():
        found = case.entry.probe.run(case.case, model, run(case.passes))
        return found if isinstance(found, Findings) else _staged(found, model)


def _staged(later: Later[Findings], model: "LoadedModel") -> Findings:
    """Runs the further passes that a probe asks for, until it has its findings."""
    from reportgen.model.capture import run_all

    try:
        passes = next(later)
        while True:
            passes = later.send(run_all(model, passes))
    except StopIteration as finished:
        findings: Findings = finished.value
        return findings


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
        "models": (case.model,),
        "prompt_sets": sets,
    }


def _failed(case: PlannedCase, reason: str) -> Outcome:
    return _without_numbers(case, "failed", reason)


def _without_numbers(case: PlannedCase, status: Any, reason: str) -> Outcome:
    return Outcome(**_header(case), status=status, reason=reason)


def _told(error: Exception) -> str:
    """An exception in one line, for a person."""
    if isinstance(error, ReportgenError):
        return str(error)
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _digest(readied: Readied | None) -> str:
    """The hash of a model's weights; empty where it has none."""
    return weights_sha256(readied.located.folder) if readied is not None and readied.located.weights else ""


def _card(planned: PlannedModel, as_run: Mapping[str, Any]) -> ModelCard:
    """What the report says of a model; of one that failed, only what was asked for."""
    source = {"source": planned.entry.source}
    if planned.readied is None:
        return ModelCard(planned.id, planned.entry.source, "", 0, {**source, **as_run})
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
    return ModelCard(planned.id, located.name, facts.architecture, facts.layers or 0, {**source, **known, **as_run})


def _as_run(planned: PlannedModel, model: "LoadedModel", sha256: str) -> dict[str, Any]:
    return {
        "dtype": str(model.dtype).removeprefix("torch."),
        "device": str(model.device),
        "attention": ATTENTION,
        "threads": threads_of(planned.entry),
        "weights_sha256": sha256 or None,
    }
