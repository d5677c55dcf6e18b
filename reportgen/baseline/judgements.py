"""All that a comparison found as one list, for those who tell it in text: what decides about its end stands first."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reportgen.baseline.compare import Compared, Comparison
from reportgen.baseline.quantities import Change, depth_of, said
from reportgen.baseline.verdict import DRIFT, FAILED, WORST_FIRST, Verdict
from reportgen.look.legible import legible
from reportgen.numerals import write_change, write_count, write_number, write_share

NOT_COMPARED = "Could not be compared"
"""The conclusion where there is no comparison: a bundle is missing, damaged, or its last run failed."""
DECIDING = FAILED | DRIFT | {Verdict.NOT_COMPARABLE}
"""Verdicts that end a comparison with another exit code than 0, where they are gated."""
LONGEST = 500
"""Characters that are shown of any one text of a stranger: a reason or a token may be a whole book."""


@dataclass(frozen=True)
class Judgement:
    """One verdict and what it is about: a quantity of a probe on a subject, or the outcome as a whole."""

    outcome: Compared
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
        return said(self.change.first) if self.change else ""


def judgements(comparison: Comparison) -> list[Judgement]:
    """Every verdict of a comparison: those that decide first, the worst first, then what most exceeds its tolerance."""
    found = [
        judgement
        for outcome in comparison.compared
        for judgement in ([Judgement(outcome, change) for change in outcome.changes] or [Judgement(outcome)])
    ]
    return sorted(found, key=lambda one: (not one.decides, WORST_FIRST.index(one.verdict), -one.excess))


def beginnings(judged: Iterable[Judgement]) -> list[Judgement]:
    """Where each subject is first beyond tolerance: one judgement a subject, the lowest first.

    What does not decide is looked at only for a subject in which nothing does.
    """
    lowest: dict[str, Judgement] = {}
    for one in sorted(judged, key=_from_below):
        if math.isfinite(one.depth):
            lowest.setdefault(one.outcome.subject, one)
    return sorted(lowest.values(), key=_from_below)


def _from_below(one: Judgement) -> tuple[bool, float]:
    return not one.decides, one.depth


def conclusion(comparison: Comparison) -> str:
    """How a comparison ended, in a word or three: "Drifted"."""
    words = {3: "A probe failed", 4: "Drifted", 5: "Not comparable"}
    return words.get(comparison.exit_code, comparison.verdict.capitalize())


def beginning_told(judgement: Judgement, comparison: Comparison) -> str:
    """Where a subject is first beyond tolerance: "layer 3 of gemma (Gemma-3-270M): weather, entropy"."""
    outcome = judgement.outcome
    ungated = "" if judgement.decides else " (not gated)"
    model = subject_told(outcome.subject, comparison)
    return f"{judgement.first} of {model}: {outcome.probe_id}, {judgement.name}{ungated}"


def subject_told(subject: str, comparison: Comparison) -> str:
    """A subject by its id and the true names of its models: "gemma (Gemma-3-270M)"."""
    models = {**comparison.before.models, **comparison.after.models}
    names = [models[id].name for id in subject.split("..") if id in models]
    return f"{subject} ({', '.join(names)})" if names else subject


def counted(judged: Sequence[Judgement]) -> str:
    """How many of each verdict, the worst first: "2 drifted, 30 within tolerance"; the ungated apart."""
    counts = Counter(verdict_told(one) for one in judged)
    worst_first = (word for verdict in WORST_FIRST for word in (str(verdict), f"{verdict} (not gated)"))
    return ", ".join(f"{write_count(counts[word])} {word}" for word in worst_first if word in counts)


def verdict_told(judgement: Judgement) -> str:
    """A verdict in words, with whether it is one that nothing hangs on: "drifted (not gated)"."""
    ungated = judgement.verdict in DECIDING and not judgement.decides
    return f"{judgement.verdict} (not gated)" if ungated else str(judgement.verdict)


def short(text: str) -> str:
    """A stranger's text on one line, legible, and cut where it is a book."""
    return legible(text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…")
