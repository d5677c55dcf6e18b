"""The words for what became of a quantity from one bundle to the next, and what each means for an exit code."""

from collections.abc import Iterable
from enum import StrEnum


class Verdict(StrEnum):
    """What became of one metric, array or table, or of a whole outcome."""

    SAME = "same"
    """The same bytes."""
    WITHIN = "within tolerance"
    BETTER = "better"
    """Beyond tolerance, in the direction that its metric calls better."""
    WORSE = "worse"
    DRIFTED = "drifted"
    """Beyond tolerance, and neither direction is better."""
    NEW = "new"
    """Only the later bundle has it."""
    VANISHED = "vanished"
    """Only the baseline has it, though the battery asks for it."""
    REMOVED = "removed"
    """Only the baseline has it, as the battery does not ask for it any more."""
    UNDEFINED = "undefined"
    """It had a value, and has none."""
    DEFINED = "defined"
    """It had none, and has a value."""
    NEWLY_FAILED = "newly failed"
    STILL_FAILED = "still failed"
    FIXED = "fixed"
    """It failed in the baseline."""
    NOT_COMPARABLE = "not comparable"
    """Something else was measured: another prompt, tokenizer, option or version of the probe."""


WORST_FIRST = (
    Verdict.NEWLY_FAILED, Verdict.STILL_FAILED, Verdict.UNDEFINED, Verdict.VANISHED, Verdict.WORSE, Verdict.DRIFTED,
    Verdict.NOT_COMPARABLE, Verdict.REMOVED, Verdict.BETTER, Verdict.FIXED, Verdict.DEFINED, Verdict.NEW,
    Verdict.WITHIN, Verdict.SAME,
)  # fmt: skip
FAILED = frozenset({Verdict.NEWLY_FAILED, Verdict.STILL_FAILED})
DRIFT = frozenset({Verdict.UNDEFINED, Verdict.VANISHED, Verdict.WORSE, Verdict.DRIFTED})
APART = frozenset({Verdict.NOT_COMPARABLE, Verdict.REMOVED})
"""There is nothing to compare it with."""
DECIDING = FAILED | DRIFT | APART
"""Verdicts that end a comparison with another exit code than 0, where they are gated."""
QUIET = frozenset({Verdict.SAME, Verdict.WITHIN})
"""Nothing to look at."""


def select_worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict that a reader should see first; same where there is none."""
    return min(verdicts, key=WORST_FIRST.index, default=Verdict.SAME)


def exit_code(gated: Iterable[Verdict]) -> int:
    """3 where a probe failed, 4 where something drifted, 5 where something is not comparable or removed, else 0."""
    seen = set(gated)
    if seen & FAILED:
        return 3
    if seen & DRIFT:
        return 4
    return 5 if seen & APART else 0
