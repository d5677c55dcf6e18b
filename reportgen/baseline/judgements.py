"""What a comparison found in words, for those who tell it in text."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from reportgen.baseline.compare import Comparison, Judgement
from reportgen.baseline.environment import summarise_environment
from reportgen.baseline.verdict import APART, DECIDING, DRIFT, WORST_FIRST
from reportgen.look.legible import make_legible
from reportgen.numerals import write_count
from reportgen.results.section import name_subject
from reportgen.suggest import find_nearest

NOT_COMPARED = "Could not be compared"
"""The conclusion where there is no comparison: a bundle is missing, damaged, or its last run failed."""
LONGEST = 500
"""Characters that are shown of any one text of a stranger: a reason or a token may be a whole book."""
WORST = 3
"""Drifts that are told one by one."""
TOLD = 5
"""Models of which is told where they are first beyond tolerance."""


def find_beginnings(judged: Iterable[Judgement]) -> list[Judgement]:
    """Where each subject is first beyond tolerance: one judgement a subject, the lowest first.

    What does not decide is looked at only for a subject in which nothing does.
    """
    lowest: dict[str, Judgement] = {}
    for one in sorted(judged, key=_order_by_depth):
        if math.isfinite(one.depth):
            lowest.setdefault(one.outcome.subject, one)
    return sorted(lowest.values(), key=_order_by_depth)


def _order_by_depth(one: Judgement) -> tuple[bool, float]:
    return not one.decides, one.depth


def conclusion(comparison: Comparison) -> str:
    """How a comparison ended, in a word or three: "Drifted"."""
    words = {3: "A probe failed", 4: "Drifted", 5: "Not comparable"}
    return words.get(comparison.exit_code, comparison.verdict.capitalize())


def describe_causes(comparison: Comparison) -> str:
    """What changed around the numbers, for the first line: "weights of gemma, torch 2.12 → 2.13"; empty if nothing."""
    return summarise_environment(comparison.environment)


def describe_morning(comparison: Comparison) -> list[str]:
    """What an engineer reads first: the conclusion with what changed, whose tolerances
    hold where they are of another kind of machine, where each model is first beyond tolerance, what
    failed or was asked otherwise, and what to do now. A line each, legible.
    """
    causes = describe_causes(comparison)
    changed = f"; changed: {shorten_text(causes)}" if causes and comparison.exit_code else ""
    lines = [f"{conclusion(comparison)}: {count_verdicts(comparison.judgements)}{changed}"]
    lines += [f"  {shorten_text(comparison.measured_elsewhere)}"] if comparison.measured_elsewhere else []
    for one in find_beginnings(comparison.judgements)[:TOLD]:
        lines.append(f"  from {shorten_text(describe_beginning(one, comparison))}")
    drifts, apart = _list_drifts(comparison), _list_apart(comparison)
    for one in drifts[:WORST]:
        allowed = f" ({one.allowed} allowed)" if one.allowed else ""
        lines.append(f"  {shorten_text(one.path)}: {one.verdict}: {shorten_text(one.told)}{allowed}")
        lines += [f"    {shorten_text(one.prompts)}"] if one.prompts else []
    lines += _name_others("drifted", drifts[WORST:])
    for one in apart[:TOLD]:
        lines.append(f"  {shorten_text(one.path)}: {one.verdict}: {shorten_text(one.told)}")
    lines += _name_others("are such", apart[TOLD:])
    advice = advise(comparison)
    return [*lines, shorten_text(advice)] if advice else lines


def _name_others(what: str, others: Sequence[Judgement]) -> list[str]:
    """A line that names those that are not told one by one; none where there are none."""
    if not others:
        return []
    return [f"  {write_count(len(others))} more {what}: {shorten_text(', '.join(one.path for one in others))}"]


def _list_drifts(comparison: Comparison) -> list[Judgement]:
    """What drifted, the worst first."""
    return [one for one in comparison.judgements if one.decides and one.change is not None and one.verdict in DRIFT]


def _list_apart(comparison: Comparison) -> list[Judgement]:
    """What has no layer to begin at and is no drift: what failed, what is gone, and what cannot be compared."""
    return [one for one in comparison.judgements if one.decides and (one.change is None or one.verdict in APART)]


def advise(comparison: Comparison) -> str:
    """What to do now; empty where there is nothing to do."""
    if comparison.exit_code == 3:
        return "Mend what failed, and run it again."
    if comparison.exit_code not in (4, 5):
        return ""
    bundle, baseline = (
        one.path if one.path and not one.path.is_absolute() else one.path.name if one.path else "…"
        for one in (comparison.after, comparison.before)
    )
    undo = "Find what moved it" if comparison.exit_code == 4 else "Take back what was changed"
    return f'{undo}, or accept it if it is meant: reportgen baseline accept {bundle} --to {baseline} --reason "…"'


def describe_unmatched(comparison: Comparison) -> list[str]:
    """Tolerances that match nothing, most likely slips, each with what it may have meant."""
    if not comparison.unmatched:
        return []
    paths = [
        f"{probe_id}.{subject}.{name}"
        for probe_id, by_subject in comparison.after.outcomes.items()
        for subject, outcome in by_subject.items()
        for name in (*outcome.metrics, *outcome.arrays, *outcome.tables)
    ]
    told = []
    for glob in comparison.unmatched:
        near = find_nearest(glob, paths)
        hint = f"; did you mean {near}?" if near else ""
        told.append(shorten_text(f"the tolerance {glob} matches no number of the two bundles{hint}"))
    return told


def describe_beginning(judgement: Judgement, comparison: Comparison) -> str:
    """Where a subject is first beyond tolerance: "layer 3 of gemma (Gemma-3-270M): weather, entropy"."""
    outcome = judgement.outcome
    ungated = "" if judgement.decides else " (not gated)"
    model = describe_subject(outcome.subject, comparison)
    return f"{judgement.first} of {model}: {outcome.probe_id}, {judgement.name}{ungated}"


def describe_subject(subject: str, comparison: Comparison) -> str:
    """A subject by its id and the true names of its models: "gemma (Gemma-3-270M)"."""
    return name_subject(subject, {**comparison.before.models, **comparison.after.models})


def count_verdicts(judged: Sequence[Judgement]) -> str:
    """How many of each verdict, the worst first: "2 drifted, 30 within tolerance"; the ungated apart."""
    counts = Counter(describe_verdict(one) for one in judged)
    worst_first = (word for verdict in WORST_FIRST for word in (str(verdict), f"{verdict} (not gated)"))
    return ", ".join(f"{write_count(counts[word])} {word}" for word in worst_first if word in counts)


def describe_verdict(judgement: Judgement) -> str:
    """A verdict in words, with whether it is one that nothing hangs on: "drifted (not gated)"."""
    ungated = judgement.verdict in DECIDING and not judgement.decides
    return f"{judgement.verdict} (not gated)" if ungated else str(judgement.verdict)


def shorten_text(text: str) -> str:
    """A stranger's text on one line, legible, and cut where it is a book."""
    return make_legible(text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…")
