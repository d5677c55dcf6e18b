"""A bundle against its baseline: for each probe and subject whether they can be compared, and what changed."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any, TypeVar

from reportgen.baseline.comparable import explain_asked, explain_read, explain_tokenizer, holds_whatever_tokenizer
from reportgen.baseline.environment import Difference, list_differences
from reportgen.baseline.prompts import compare_prompts, find_means
from reportgen.baseline.quantities import Change, compare_array, compare_metric, depth_of, describe_place, names_of
from reportgen.baseline.tables import compare_table
from reportgen.baseline.tolerance import COUNT, MEASURED, RANK, Entries, Tolerance, may_match, tolerance_of
from reportgen.baseline.verdict import DECIDING, DRIFT, QUIET, WORST_FIRST, Verdict, exit_code, select_worst
from reportgen.numerals import write_change, write_number, write_share
from reportgen.results.bundle import Bundle
from reportgen.results.quantities import Array, Metric, Outcome, Table

Q = TypeVar("Q", Metric, Array, Table)


@dataclass(frozen=True)
class OutcomeComparison:
    """One probe on one subject, before and after."""

    probe_id: str
    subject: str
    probe: str
    verdict: Verdict
    reason: str = ""
    """Why there are no changes to look at."""
    changes: tuple[Change, ...] = ()

    @property
    def gated(self) -> Iterator[Verdict]:
        """The verdicts that decide about the end."""
        yield from (change.verdict for change in self.changes if change.gate)
        if not self.changes:
            yield self.verdict

    @property
    def first(self) -> Mapping[str, int]:
        """`layer` or `block` -> the lowest at which anything is beyond tolerance."""
        return min((change.first for change in self.changes if change.first), key=depth_of, default={})


@dataclass(frozen=True)
class Judgement:
    """One verdict and what it is about: a quantity of a probe on a subject, or the outcome as a whole."""

    outcome: OutcomeComparison
    change: Change | None = None
    """None for the outcome as a whole, where there are no quantities to compare."""

    @property
    def name(self) -> str:
        """The quantity; the probe where it is about all of an outcome."""
        return self.change.name if self.change else self.outcome.probe

    @property
    def path(self) -> str:
        """PROBE_ID.SUBJECT.NAME, which the globs of tolerances match, or PROBE_ID.SUBJECT of an outcome."""
        whole = f"{self.outcome.probe_id}.{self.outcome.subject}"
        return f"{whole}.{self.change.name}" if self.change else whole

    @property
    def verdict(self) -> Verdict:
        """What became of it."""
        return self.change.verdict if self.change else self.outcome.verdict

    @property
    def decides(self) -> bool:
        """Whether the comparison ends with another exit code than 0 because of it."""
        return self.verdict in DECIDING and (self.change is None or self.change.gate)

    @property
    def told(self) -> str:
        """What changed, by how much and where, or why there is nothing to look at: a stranger's text."""
        return self.change.told if self.change else self.outcome.reason

    @property
    def prompts(self) -> str:
        """What the prompts say of it, whose mean it is; empty where nothing is known of them: a stranger's text."""
        return self.change.prompts.told if self.change and self.change.prompts else ""

    @property
    def excess(self) -> float:
        """Largest difference as a multiple of what was allowed; where none can be said, infinite for what decides."""
        if self.change is None or self.change.worst is None or not self.change.bound:
            return math.inf if self.decides else 0.0
        return self.change.worst / self.change.bound

    @property
    def allowed(self) -> str:
        """The tolerance that was kept or exceeded; empty where the verdict has another cause, such as a new leader."""
        if self.change is None or (self.verdict in DRIFT and self.excess <= 1):
            return ""
        return self._sizes[1]

    @property
    def largest(self) -> str:
        """The largest difference, of a table the largest share that changed; empty where nothing was measured."""
        return self._sizes[0]

    @property
    def mean(self) -> str:
        """The mean difference, of a table the mean share that changed; empty where nothing was measured."""
        if self.change is None or self.change.mean is None:
            return ""
        return write_share(self.change.mean) if self.change.kind == "table" else write_number(self.change.mean)

    @property
    def _sizes(self) -> tuple[str, ...]:
        """What moved, and what might have: different where they differ, empty where unknown."""
        sizes = (self.change.worst, self.change.bound) if self.change else (None, None)
        is_table = self.change is not None and self.change.kind == "table"
        told = map(write_share, sizes) if is_table else write_change(*sizes)
        return tuple("" if size is None else text for size, text in zip(sizes, told, strict=True))

    @property
    def depth(self) -> float:
        """How far up the model it is first beyond tolerance, as `depth_of`; infinite where it has no place."""
        return depth_of(self.change.first) if self.change else math.inf

    @property
    def first(self) -> str:
        """The lowest layer or block beyond tolerance, as "layer 3"; empty where it has no place."""
        return describe_place(self.change.first) if self.change else ""


def _order_judgement(one: Judgement) -> tuple[bool, int, int, float]:
    whole = 4 if one.verdict in QUIET else 0  # what is about all of an outcome: skipped in both bundles, or apart
    order = whole if one.change is None else one.change.order
    return not one.decides, WORST_FIRST.index(one.verdict), order, -one.excess


@dataclass(frozen=True)
class Comparison:
    """Everything that a comparison found."""

    title: str
    before: Bundle
    after: Bundle
    compared: tuple[OutcomeComparison, ...]
    """Worst first; of one verdict, those in which a reader sees it first."""
    environment: tuple[Difference, ...] = field(default=())
    unmatched: tuple[str, ...] = ()
    """Globs of tolerances that name no number of either bundle: most likely slips, so that other limits hold."""
    measured_elsewhere: str = ""
    """That the measured tolerances are of other kinds of machine than the bundle's; empty where they are not."""

    @property
    def verdict(self) -> Verdict:
        """The worst of all that decide."""
        return select_worst(self._deciding)

    @property
    def exit_code(self) -> int:
        """3 where a probe failed, 4 where something drifted, 5 where something is not comparable, else 0."""
        return exit_code(self._deciding)

    @property
    def _deciding(self) -> Iterator[Verdict]:
        yield from (verdict for one in self.compared for verdict in one.gated)
        if not self.compared:  # two of which nothing is known are not the same
            yield Verdict.NOT_COMPARABLE

    @cached_property
    def judgements(self) -> tuple[Judgement, ...]:
        """Every verdict: those that decide first, the worst first; of one verdict what a reader sees first (as
        `Change.order`), and of these what most exceeds its tolerance.
        """
        found = [
            judgement
            for outcome in self.compared
            for judgement in ([Judgement(outcome, change) for change in outcome.changes] or [Judgement(outcome)])
        ]
        return tuple(sorted(found, key=_order_judgement))

    @property
    def loud(self) -> tuple[OutcomeComparison, ...]:
        """What is worth looking at."""
        return tuple(one for one in self.compared if one.verdict not in QUIET)


def compare(
    before: Bundle, after: Bundle, written: Entries, calibrated: Entries, measured_elsewhere: str = ""
) -> Comparison:
    """Compares every probe on every subject of two bundles.

    Args:
        before: the baseline.
        after: what is compared with it.
        written: the tolerances of the battery.
        calibrated: those that were measured with the baseline.
        measured_elsewhere: that these are of other kinds of machine, where they are.
    """
    found = []
    for probe_id in names_of(list(before.outcomes), list(after.outcomes)):
        old, new = before.outcomes.get(probe_id, {}), after.outcomes.get(probe_id, {})
        for subject in names_of(list(old), list(new)):
            path = (probe_id, subject)
            found.append(
                _compare_outcome(path, old.get(subject), new.get(subject), before, after, (written, calibrated))
            )
    found.sort(key=_order_outcome)  # stable: else in the battery's order
    unmatched = tuple(_find_unmatched((*written, *calibrated), before, after))
    environment = tuple(list_differences(before, after))
    return Comparison(after.title, before, after, tuple(found), environment, unmatched, measured_elsewhere)


def _order_outcome(one: OutcomeComparison) -> tuple[int, int]:
    """By its verdict, then by what shows it: its changes of that verdict as `Change.order`."""
    orders = [change.order for change in one.changes if change.verdict is one.verdict]
    return WORST_FIRST.index(one.verdict), min(orders, default=0)


def _find_unmatched(globs: Iterable[str], before: Bundle, after: Bundle) -> Iterator[str]:
    """Those that match no number; where neither bundle has any of an outcome, they may have been about these."""
    paths: set[str] = set()
    unknown: set[str] = set()
    for bundle in (before, after):
        for probe_id, by_subject in bundle.outcomes.items():
            for subject, outcome in by_subject.items():
                names = [*outcome.metrics, *outcome.arrays, *outcome.tables]
                paths |= {f"{probe_id}.{subject}.{name}" for name in names}
                unknown |= {f"{probe_id}.{subject}."} if not names else set()
    for glob in dict.fromkeys(globs):
        if not any(fnmatchcase(path, glob) for path in paths) and not any(may_match(glob, one) for one in unknown):
            yield glob


def _compare_outcome(
    path: tuple[str, str],
    old: Outcome | None,
    new: Outcome | None,
    before: Bundle,
    after: Bundle,
    entries: tuple[Entries, Entries],
) -> OutcomeComparison:
    known: dict[str, Any] = {"probe_id": path[0], "subject": path[1], "probe": (new or old or _refuse_missing()).probe}
    if old is None or new is None:
        return OutcomeComparison(**known, **_judge_unpaired_outcome(new, after))
    if new.status == "failed":
        verdict = Verdict.STILL_FAILED if old.status == "failed" else Verdict.NEWLY_FAILED
        return OutcomeComparison(**known, verdict=verdict, reason=new.reason)
    tokenizer = explain_tokenizer(old, new, before, after)
    names = [*new.metrics, *new.arrays, *new.tables]
    spared = tokenizer and any(holds_whatever_tokenizer(new.probe, name) for name in names)
    asked = explain_asked(old, new)
    if asked and tokenizer:  # which may be why a prompt is gone: the model has no row for a token of it
        asked = f"{asked}; {tokenizer}"
    if reason := asked or ("" if spared else tokenizer or explain_read(old, new)):
        return OutcomeComparison(**known, verdict=Verdict.NOT_COMPARABLE, reason=reason)
    if old.status != "ok" or new.status != "ok":
        return OutcomeComparison(**known, **_judge_without_numbers(old, new))
    found = _list_changes(".".join(path), old, new, entries)
    told = [_set_aside(change, new.probe, tokenizer) for change in found] if tokenizer else found
    changes = sorted(told, key=lambda one: (WORST_FIRST.index(one.verdict), one.order))
    if not changes:
        return OutcomeComparison(**known, verdict=Verdict.NOT_COMPARABLE, reason="neither bundle holds a number of it")
    return OutcomeComparison(
        **known, verdict=select_worst(change.verdict for change in changes), changes=tuple(changes)
    )


def _judge_unpaired_outcome(new: Outcome | None, after: Bundle) -> dict[str, Any]:
    """Of an outcome that only one of the bundles has."""
    if new is None:
        part = after.run.get("only")
        told = "this run was asked for other probes only" if part else "the battery does not ask for it any more"
        return {"verdict": Verdict.REMOVED, "reason": told}
    if new.status == "failed":
        return {"verdict": Verdict.NEWLY_FAILED, "reason": new.reason}
    return {"verdict": Verdict.NEW, "reason": "the baseline does not have it"}


def _set_aside(change: Change, probe: str, tokenizer: str) -> Change:
    """A change that another tokenizer may have made is none that can be judged."""
    if holds_whatever_tokenizer(probe, change.name):
        return change
    return Change(change.name, change.kind, Verdict.NOT_COMPARABLE, change.gate, tokenizer)


def _refuse_missing() -> Outcome:
    raise ValueError("neither bundle has it")


def _judge_without_numbers(old: Outcome, new: Outcome) -> dict[str, Any]:
    if old.status == new.status:
        return {"verdict": Verdict.SAME, "reason": f"skipped: {new.reason}"}
    if new.status == "skipped":
        return {"verdict": Verdict.VANISHED, "reason": f"it is skipped now: {new.reason}"}
    return {"verdict": Verdict.FIXED if old.status == "failed" else Verdict.NEW, "reason": f"it was {old.status}"}


def _list_changes(path: str, old: Outcome, new: Outcome, entries: tuple[Entries, Entries]) -> Iterator[Change]:
    written, calibrated = entries
    means = find_means(new)

    def limit(name: str, kind: Tolerance, direction: str = "none") -> Tolerance:
        return tolerance_of(f"{path}.{name}", kind, written, calibrated, direction)

    def limit_of_metric(name: str, metric: Metric) -> Tolerance:
        return limit(name, COUNT if isinstance(metric.value, int) else MEASURED, metric.direction)

    def limit_of_array(name: str, array: Array) -> Tolerance:
        return limit(name, RANK if array.unit == "rank" else MEASURED)

    def change_metric(name: str, before: Metric, after: Metric, tolerance: Tolerance) -> Change:
        change = compare_metric(name, before, after, tolerance)
        if name not in means or change.worst is None or change.before is None:  # there is no difference
            return change
        told = compare_prompts(old, new, means[name], tolerance, abs(change.before), quiet=change.verdict in QUIET)
        return replace(change, prompts=told)

    yield from _list_kind_changes("metric", old.metrics, new.metrics, change_metric, limit_of_metric)
    yield from _list_kind_changes("array", old.arrays, new.arrays, compare_array, limit_of_array)
    yield from _list_kind_changes("table", old.tables, new.tables, compare_table, lambda name, _: limit(name, MEASURED))


def _list_kind_changes(
    kind: str,
    old: Mapping[str, Q],
    new: Mapping[str, Q],
    change: Callable[[str, Q, Q, Tolerance], Change],
    limit: Callable[[str, Q], Tolerance],
) -> Iterator[Change]:
    """What became of each metric, array or table."""
    for name in names_of(list(old), list(new)):
        if name in old and name in new:
            yield change(name, old[name], new[name], limit(name, old[name]))
        else:
            yield _judge_unpaired(name, kind, limit(name, old[name] if name in old else new[name]), gone=name in old)


def _judge_unpaired(name: str, kind: str, tolerance: Tolerance, *, gone: bool) -> Change:
    if gone:
        return Change(name, kind, Verdict.VANISHED, tolerance.gate, "the bundle does not have it")
    return Change(name, kind, Verdict.NEW, tolerance.gate, "the baseline does not have it")
