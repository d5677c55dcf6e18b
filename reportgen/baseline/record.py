"""A comparison as data for other programs: comparison.json."""

import json
import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

from reportgen.baseline.compare import Comparison, Judgement, OutcomeComparison
from reportgen.baseline.judgements import NOT_COMPARED, describe_beginning, find_beginnings
from reportgen.baseline.prompts import PromptsChange
from reportgen.baseline.quantities import Change
from reportgen.baseline.verdict import WORST_FIRST

SCHEMA = 1


def record(comparison: Comparison) -> dict[str, Any]:
    """Everything that was found, worst first; what has no value is left out, what is not finite says so."""
    counts = Counter(one.verdict for one in comparison.judgements)
    return {
        "schema": SCHEMA,
        "title": comparison.title,
        "verdict": str(comparison.verdict),
        "exit_code": comparison.exit_code,
        "counts": {str(verdict): counts[verdict] for verdict in WORST_FIRST if verdict in counts},
        "first_beyond_tolerance": [_beginning(one, comparison) for one in find_beginnings(comparison.judgements)],
        "before": {"title": comparison.before.title},
        "after": {"title": comparison.after.title},
        "environment": [
            {"what": one.label, "before": one.before, "after": one.after} for one in comparison.environment
        ],
        **({"tolerances_measured_elsewhere": comparison.measured_elsewhere} if comparison.measured_elsewhere else {}),
        "tolerances_that_match_nothing": list(comparison.unmatched),
        "compared": [_dump_outcome(one) for one in comparison.compared],
    }


def record_bytes(comparison: Comparison) -> bytes:
    """`record` as a file: the same bytes for the same two bundles."""
    return _bytes(record(comparison))


def failure_bytes(reason: str, exit_code: int) -> bytes:
    """The same file where nothing was compared: no verdict on anything, and why."""
    nothing: dict[str, Any] = {"counts": {}, "first_beyond_tolerance": [], "environment": [], "compared": []}
    said = {"schema": SCHEMA, "title": "", "verdict": NOT_COMPARED.lower(), "exit_code": exit_code, "reason": reason}
    return _bytes(said | nothing)


def _bytes(content: Mapping[str, Any]) -> bytes:
    # A stranger's text may hold half of a pair of surrogates, which UTF-8 cannot.
    return (json.dumps(content, allow_nan=False, ensure_ascii=True, indent=1) + "\n").encode()


def _beginning(judgement: Judgement, comparison: Comparison) -> dict[str, Any]:
    return {
        "probe_id": judgement.outcome.probe_id,
        "subject": judgement.outcome.subject,
        "quantity": judgement.name,
        "gate": judgement.decides,
        **(judgement.change.first if judgement.change else {}),
        "told": describe_beginning(judgement, comparison),
    }


def _dump_outcome(one: OutcomeComparison) -> dict[str, Any]:
    return {
        "probe_id": one.probe_id,
        "subject": one.subject,
        "probe": one.probe,
        "verdict": str(one.verdict),
        **({"reason": one.reason} if one.reason else {}),
        **({"first": dict(one.first)} if one.first else {}),
        "changes": [_dump_change(change) for change in one.changes],
    }


def _dump_change(change: Change) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": change.name,
        "kind": change.kind,
        "verdict": str(change.verdict),
        "gate": change.gate,
        "told": change.told or None,
        "before": _number(change.before),
        "after": _number(change.after),
        "worst": _number(change.worst),
        "mean": _number(change.mean),
        "bound": _number(change.bound),
        "place": dict(change.place) or None,
        "first": dict(change.first) or None,
        "prompts": _dump_prompts(change.prompts) if change.prompts else None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _dump_prompts(prompts: PromptsChange) -> dict[str, Any]:
    """All prompts that moved, and what the difference says of others; what has no value is left out."""
    found = prompts.difference
    numbers = {"mean": found.mean, "low": found.low, "high": found.high, "effect": found.effect, "p": found.p}
    return {
        "unit": prompts.unit,
        "count": found.count,
        "moved": [{"name": one.name, "before": one.before, "after": one.after} for one in prompts.moved],
        **{name: value for name, value in numbers.items() if math.isfinite(value)},
        "margin": prompts.margin,
        "judged": prompts.judged,
        "told": prompts.told,
    }


def _number(value: float | None) -> float | Mapping[str, str] | None:
    """JSON knows no NaN: it is written as a bundle writes it."""
    if value is None or math.isfinite(value):
        return value
    return {"undefined": f"the computation gave {value}"}
