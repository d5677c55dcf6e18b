"""From a plan to outcomes: one model at a time, each prompt through it once, each probe on what it gave."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from reportgen.errors import Mistake, ModelError, ReportgenError
from reportgen.needs import Captured, Pass
from reportgen.plan import Plan, PlannedCase, PlannedModel, Readied
from reportgen.probes.base import Later, ModelCard
from reportgen.provenance import weights_sha256
from reportgen.result import Findings, Outcome

if TYPE_CHECKING:
    from reportgen.model.loaded import LoadedModel

Progress = Callable[[str], None]
"""Receives one plain line a finished piece of work."""


@dataclass
class Results:
    """What a plan came to."""

    models: dict[str, ModelCard] = field(default_factory=dict)
    outcomes: dict[str, dict[str, Outcome]] = field(default_factory=dict)
    """Probe id -> subject -> outcome, in the battery's order."""
    durations: dict[str, float] = field(default_factory=dict)
    """Seconds a step took."""


def execute(plan: Plan, progress: Progress = lambda line: None) -> Results:
    """Runs every model of a plan in turn.

    Raises:
        ModelError: no model could be loaded; there is nothing to report.
    """
    results = Results(outcomes={id: {} for id in plan.battery.probes})
    failures: list[str] = []
    with ThreadPoolExecutor(max_workers=1) as beside:
        for planned in plan.models:
            # Hashing the weights waits for the disk, not for the interpreter: it runs beside the passes.
            digest = beside.submit(_digest, planned.readied)
            try:
                results.models[planned.id] = _run_model(planned, digest, results, progress)
            except ModelError as error:
                failures.append(f"model {planned.id}: {error}")
                progress(f"model {planned.id} failed: {error}")
                results.models[planned.id] = _card(planned, None, failed=str(error))
                for case in planned.cases:
                    results.outcomes[case.entry.id][planned.id] = _failed(case, str(error))
    if len(failures) == len(plan.models):
        raise ModelError(*(Mistake(failure) for failure in failures))
    return results


def _run_model(planned: PlannedModel, digest: "Future[str | None]", results: Results, progress: Progress) -> ModelCard:
    if planned.readied is None:
        raise ModelError(planned.failed)
    started = time.perf_counter()
    model = _load(planned, planned.readied)
    progress(f"{planned.readied.located.name} loaded and proven")
    results.durations[f"load {planned.id}"] = time.perf_counter() - started
    for case, outcome, seconds in _run_cases(planned, model):
        results.outcomes[case.entry.id][planned.id] = outcome
        results.durations[f"{case.entry.id} {planned.id}"] = seconds
        progress(f"{case.entry.id} on {planned.id}: {outcome.status}{f' ({outcome.reason})' if outcome.reason else ''}")
    return _card(planned, model, digest.result())


def _load(planned: PlannedModel, readied: Readied) -> "LoadedModel":
    from reportgen.model.load import load, load_shape

    if not readied.located.weights:
        return load_shape(readied.located.config)
    return load(readied.located, dtype=planned.entry.dtype, device=planned.entry.device)


def _run_cases(planned: PlannedModel, model: "LoadedModel") -> Iterator[tuple[PlannedCase, Outcome, float]]:
    """Each case with its outcome; a prompt shared by several passes the model when the first of them needs it."""
    from reportgen.model.capture import SharedPasses

    shared = SharedPasses(model, [single for case in planned.cases for single in case.passes])
    for case in planned.cases:
        started = time.perf_counter()
        yield case, _outcome(case, model, shared.run), time.perf_counter() - started


def _outcome(case: PlannedCase, model: "LoadedModel", run: Callable[[Sequence[Pass]], list[Captured]]) -> Outcome:
    if case.skipped or case.case is None:
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


def _findings(case: PlannedCase, model: "LoadedModel", run: Callable[[Sequence[Pass]], list[Captured]]) -> Findings:
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


def _digest(readied: Readied | None) -> str | None:
    return weights_sha256(readied.located.folder) if readied is not None and readied.located.weights else None


def _card(
    planned: PlannedModel, model: "LoadedModel | None", sha256: str | None = None, *, failed: str = ""
) -> ModelCard:
    """What the report says of a model; of one that failed, only what was asked for."""
    source = {"source": planned.entry.source}
    if planned.readied is None:
        return ModelCard(planned.id, planned.entry.source, "", 0, source | {"failed": failed})
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
    ran = {"failed": failed} if model is None else _as_run(model, sha256)
    return ModelCard(planned.id, located.name, facts.architecture, facts.layers or 0, source | known | ran)


def _as_run(model: "LoadedModel", sha256: str | None) -> dict[str, Any]:
    import torch

    return {
        "dtype": str(model.dtype).removeprefix("torch."),
        "device": str(model.device),
        "attention": "eager",
        "threads": torch.get_num_threads(),
        "weights_sha256": sha256,
    }
