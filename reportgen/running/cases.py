"""From planned cases to outcomes, in models that are ready: each prompt passes once, each probe on what it gave."""

import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache as remember
from typing import TYPE_CHECKING, Any, Literal

from reportgen.battery.reader import ProbeEntry
from reportgen.cache import UnfinishedWork
from reportgen.errors import OutOfTime, reason_of
from reportgen.model.needs import TwinPasses, Unmeasurable
from reportgen.probing.probe import Later, MeasuredModel, PairProbe, Probe
from reportgen.processes.supervision import find_earlier_end, track_piece
from reportgen.results.quantities import Cell, Findings, Outcome, Table, WrongFindings
from reportgen.running.outcome_cache import CachedOutcome, OutcomeCache
from reportgen.running.outcome_key import hash_named_files, threads_of
from reportgen.running.planned import PlannedCase, Side
from reportgen.running.ready import ReadyModel
from reportgen.running.time_limits import choose_seconds
from reportgen.running.unchanged import refuse_changed
from reportgen.text.prompts import find_prompts

if TYPE_CHECKING:
    from reportgen.model.capture.shared_passes import SharedPasses
    from reportgen.model.network.loaded import LoadedModel

Progress = Callable[[str], None]
"""Receives one plain line a finished piece of work."""
RunSide = Callable[[Side], MeasuredModel[Any]]
_OTHER_FILES = "a file that its options name changed while it ran: run it again"
_MANY = 20
"""Further passes of a probe from which progress tells of them."""


@dataclass(frozen=True)
class FinishedCase:
    """A case with its outcome, and how it came by it."""

    case: PlannedCase
    outcome: Outcome
    seconds: float = 0.0
    kept: bool = False
    """True where an earlier run had found it."""


def run_cases(
    cases: Sequence[PlannedCase], ready: Sequence[ReadyModel], cache: OutcomeCache, progress: Progress
) -> Iterator[FinishedCase]:
    """Each case with its outcome; a prompt shared by several passes a model when the first of them needs it."""
    known = [one.known for one in ready]
    # What was hashed only after the plan was made may turn out to be a model that was run before.
    kept = {case.entry.id: case.kept or (None if case.settled else cache.find(known, case.entry)) for case in cases}
    left = [case for case in cases if kept[case.entry.id] is None]
    run = [join_passes(one, [case.sides[at] for case in left if case.sides]) for at, one in enumerate(ready)]
    for case in cases:
        found = kept[case.entry.id]
        if found is not None:
            yield FinishedCase(case, replace(found.outcome, **_header(case)), kept=True)
            continue
        started = time.perf_counter()
        unfinished = cache.open_unfinished(known, case.entry, lambda: refuse_changed([one.planned for one in ready]))
        outcome = measure_case(case, run, progress, unfinished)
        # Weights are read from the disk as they are needed, not all at once when they are loaded.
        refuse_changed([one.planned for one in ready])
        if outcome.status == "ok" and hash_named_files(case.entry) != case.named:
            outcome = make_without_numbers(case, "failed", _OTHER_FILES)
        if outcome.status == "ok":
            name = " → ".join(one.planned.name for one in ready)
            cache.keep(known, case.entry, CachedOutcome(outcome, case.skipped_rows), model=name)
        yield FinishedCase(case, outcome, time.perf_counter() - started)


def join_passes(ready: ReadyModel, sides: Sequence[Side]) -> RunSide:
    """Runs what a case asks of a model; a prompt that several ask for passes it once."""
    model = ready.model
    if model is None:
        return _refuse_to_run
    import torch

    from reportgen.model.capture.shared_passes import run_all

    shared = _share_passes(model, sides)

    def run(side: Side) -> MeasuredModel[Any]:
        torch.set_num_threads(threads_of(ready.planned.entry))  # the other model of a pair may have another number
        torch.set_default_dtype(torch.float32)  # a third party's probe may have left another
        try:
            captured = shared.run(side.passes)
        except (Unmeasurable, KeyboardInterrupt, OutOfTime):
            raise
        except BaseException:  # what a third party's probe wants of a prompt breaks no other's: each alone, then
            captured = run_all(model, side.passes)
        return MeasuredModel(side.case, model, captured)

    return run


def _share_passes(model: "LoadedModel", sides: Sequence[Side]) -> "SharedPasses":
    """The passes of all sides, joined by prompt, without those that break that: their case is told why in its turn."""
    from reportgen.model.capture.shared_passes import SharedPasses

    def join_sides(together: Sequence[Side]) -> SharedPasses:
        return SharedPasses(model, [single for side in together for single in side.passes])

    try:
        return join_sides(sides)
    except KeyboardInterrupt:
        raise
    except BaseException:  # what one probe wants breaks no other's: those that break it are left out
        whole: list[Side] = []
        for side in sides:
            with suppress(Exception, SystemExit):
                join_sides([*whole, side])
                whole.append(side)
        return join_sides(whole)


def _refuse_to_run(side: Side) -> MeasuredModel[Any]:
    raise AssertionError(f"{side.case.id} is to be measured in a model that is not there")


def _tell(seconds: float) -> str:
    return f"{seconds:,.0f}" if seconds >= 10 else f"{seconds:.2g}"


def measure_case(case: PlannedCase, run: Sequence[RunSide], progress: Progress, unfinished: UnfinishedWork) -> Outcome:
    """What becomes of a case; whatever its probe raises is its outcome, and nobody else's."""
    if case.skipped:
        return make_without_numbers(case, "skipped", case.skipped)
    piece = ("measure", case.entry.id, case.subject)
    if told := case.failed or find_earlier_end(*piece):
        return make_without_numbers(case, "failed", told)
    seconds = choose_seconds(case)
    try:
        with track_piece(*piece, seconds=seconds):
            findings = _findings(case, run, progress, unfinished)
            return Outcome(
                **_header(case),
                status="ok",
                metrics=findings.metrics(),
                tables=_add_left_out(findings.tables(), case.left_out),
                arrays=findings.arrays(),
            )
    except Unmeasurable as unmeasurable:
        return make_without_numbers(case, "skipped", str(unmeasurable))
    except KeyboardInterrupt:
        raise
    except OutOfTime:
        told = f"it took longer than its {_tell(seconds)} s (timeout of the probe)"
        return make_without_numbers(case, "failed", told)
    except BaseException as error:  # a probe may raise anything, an end of the program too: the others run
        if os.environ.get("REPORTGEN_DEBUG"):
            raise
        return make_without_numbers(case, "failed", reason_of(error))


def _add_left_out(tables: dict[str, Table], left_out: Mapping[str, str]) -> dict[str, Table]:
    """The tables, with the prompts that the model cannot read among what a probe could not measure."""
    if not left_out:
        return tables
    known = tables.get("skipped", Table(("prompt", "reason"), []))
    between: list[Cell] = [None] * (len(known.columns) - 2)
    rows = [[prompt, *between, reason] for prompt, reason in left_out.items()]
    return tables | {"skipped": Table(known.columns, [*known.rows, *rows])}


def _findings(case: PlannedCase, run: Sequence[RunSide], progress: Progress, unfinished: UnfinishedWork) -> Findings:
    import torch

    probe = case.entry.probe
    with torch.inference_mode():
        measured = [run_one(side) for run_one, side in zip(run, case.sides, strict=True)]
        if isinstance(probe, PairProbe):
            base, other = measured
            return _check_findings(probe, probe.compare(base, other))
        (one,) = measured
        found = probe.run(replace(one.case, unfinished=unfinished), one.model, one.captured)
        if isinstance(found, Generator):
            found = _run_stages(found, one.model, _tell_by_tenths(case, progress))
        return _check_findings(probe, found)


def _check_findings(probe: Probe[Any, Any], found: Any) -> Findings:
    """What a probe gave, where that is what it declares."""
    if not isinstance(found, probe.findings):
        raise WrongFindings(f"it gave a {type(found).__name__}, not {probe.findings.__name__}")
    return found


def _tell_by_tenths(case: PlannedCase, progress: Progress) -> Callable[[int], None]:
    """Tells of further passes as they are done: a line for a tenth of them, where there are many."""
    counted = 0

    def tell(done: int) -> None:
        nonlocal counted
        before, counted = counted, counted + done
        if case.further >= _MANY and counted * 10 // case.further > before * 10 // case.further:
            progress(f"{case.entry.id} on {case.subject}: {counted:,} of {case.further:,} further passes")

    return tell


def _run_stages(later: Later[Any], model: "LoadedModel", tell: Callable[[int], None]) -> Any:
    """Runs the further passes that a probe asks for, until it has its findings."""
    from reportgen.model.capture.shared_passes import run_all
    from reportgen.model.network.twin import build_random_twin

    build_twin = remember(lambda seed: build_random_twin(model, seed))
    try:
        asked = next(later)
        while True:
            if isinstance(asked, TwinPasses):
                through, passes = build_twin(asked.seed), asked.passes
            else:
                through, passes = model, asked
            captured = run_all(through, passes)
            tell(len(passes))
            asked = later.send(captured)
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
        "titles": _list_author_words(case.entry, "title"),
        "notes": _list_author_words(case.entry, "note"),
    }


def _list_author_words(entry: ProbeEntry, key: Literal["title", "note"]) -> dict[str, str]:
    """What a battery calls a probe and its prompts, or says of them; of prompts that are called alike, the first."""
    written = [("", getattr(entry.keys, key))]
    written += [(prompt.called, getattr(prompt, key)) for prompt in find_prompts(entry.options)]
    return {called: words for called, words in reversed(written) if words is not None}


def make_without_numbers(case: PlannedCase, status: Any, reason: str) -> Outcome:
    """An outcome that failed or was skipped, and why."""
    return Outcome(**_header(case), status=status, reason=reason)
