"""What the prompts behind a metric say of a change: which moved, and whether so many show that others would, too.

The verdict is the tolerance's; this stands beside it. A metric that is a mean over prompts (its probe says of which
numbers) is compared prompt by prompt: the same prompts before and after are pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.baseline.tolerance import Tolerance
from reportgen.errors import ReportgenError
from reportgen.numerals import write_change, write_count, write_number, write_signed
from reportgen.numerics.resampling import FEWEST, Judgement, PairedDifference, difference_of_pairs
from reportgen.probes.registry import find
from reportgen.results.means import read_prompt_values
from reportgen.results.quantities import Mean, Outcome, quantities_of

TOLD = 3
"""Prompts that moved that are told by name."""
LONGEST = 30
"""Characters of such a name."""
_SHOWN: dict[Judgement, str] = {
    "differ": "the {units} show a change",
    "same": "the {units} show no change beyond {margin}, the tolerance",
    "open": "the {units} show neither a change nor that there is none",
    "too few": "fewer than {fewest} {units} cannot tell whether others would move",
}


@dataclass(frozen=True)
class MovedPrompt:
    """One prompt whose own number moved further than the tolerance allows."""

    name: str
    before: float
    after: float


@dataclass(frozen=True)
class PromptsChange:
    """How a metric changed prompt by prompt."""

    unit: str
    """What the pairs are: prompt, text, query, pair."""
    moved: tuple[MovedPrompt, ...]
    """The largest move first."""
    difference: PairedDifference
    """After less before; every prompt counts the same."""
    margin: float
    """What the metric's tolerance allows: a whole interval within it shows that there is no change."""
    pooled: bool = False
    """Whether the metric weighs the prompts by their tokens, which the mean difference here does not."""

    @property
    def yes_or_no(self) -> bool:
        """Whether each prompt that moved gives 0 or 1: it was answered right, refused, or not."""
        return bool(self.moved) and all({one.before, one.after} == {0.0, 1.0} for one in self.moved)

    @property
    def judged(self) -> Judgement:
        """What may be said of other prompts."""
        return self.difference.judge(self.margin)

    @property
    def told(self) -> str:
        """In one sentence without a stop: "1 of 20 prompts moved (“apple” 1 → 0), mean difference −0.05, …"."""
        found, units = self.difference, f"{self.unit}s" if self.unit != "query" else "queries"
        names = [
            f"“{_shorten(one.name)}” {' → '.join(write_change(one.before, one.after))}" for one in self.moved[:TOLD]
        ]
        more = [f"{write_count(len(self.moved) - TOLD)} more"] if len(self.moved) > TOLD else []
        which = f" ({', '.join([*names, *more])})" if names else ""
        per = f" per {self.unit}" if self.pooled else ""
        one = found.count == 1
        parts = [
            f"{write_count(len(self.moved)) if self.moved else 'none'} of {write_count(found.count)} "
            f"{self.unit if one else units} moved beyond the tolerance{which}",
            f"mean difference{per} {write_signed(found.mean, 2)}",
        ]
        if found.count >= FEWEST:
            parts.append(f"95 % interval {write_signed(found.low, 2)} to {write_signed(found.high, 2)}")
            parts.append(f"p {write_number(found.p, 2)}")
        shown = _SHOWN[self.judged].format(units=units, margin=write_number(self.margin, 2), fewest=FEWEST)
        return f"{', '.join(parts)}: {shown}"


def find_means(outcome: Outcome) -> dict[str, Mean]:
    """Metric -> of which numbers it is the mean over prompts; nothing of a probe that this installation lacks, or has
    of another version.
    """
    try:
        probe = find(outcome.probe)
    except ReportgenError:  # a probe of another distribution, of which nothing is known
        return {}
    if probe.version != outcome.version:
        return {}
    return {name: one.of for name, one in quantities_of(probe.findings).items() if one.of is not None}


def compare_prompts(
    old: Outcome, new: Outcome, mean: Mean, tolerance: Tolerance, size: float, *, quiet: bool
) -> PromptsChange | None:
    """How a metric of this size changed prompt by prompt; None where no prompt did, or nothing is known of prompts.

    Where the metric is `quiet`, so that nobody looks at it, also None if no prompt moved beyond the tolerance.
    """
    before, after = read_prompt_values(old, mean), read_prompt_values(new, mean)
    pairs = [(after[prompt].name, was.value, after[prompt].value) for prompt, was in before.items() if prompt in after]
    moved = _list_moved(pairs, tolerance)
    if all(was == now for _, was, now in pairs) or (quiet and not moved):
        return None
    difference = difference_of_pairs(np.array([now for *_, now in pairs]), np.array([was for _, was, _ in pairs]))
    return PromptsChange(mean.each, tuple(moved), difference, tolerance.bound(size), mean.pooled)


def _list_moved(pairs: Sequence[tuple[str, float, float]], tolerance: Tolerance) -> list[MovedPrompt]:
    found = [MovedPrompt(*pair) for pair in pairs if abs(pair[2] - pair[1]) > tolerance.bound(abs(pair[1]))]
    return sorted(found, key=lambda one: -abs(one.after - one.before))


def _shorten(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
