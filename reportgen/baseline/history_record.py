"""history.json: a history as another program reads it."""

import json
import math
from typing import Any

from reportgen.baseline.history import Course, History

SCHEMA = 1
"""Of history.json."""


def as_json(history: History) -> str:
    """history.json: runs, metrics with their values, segments and steps, and what was left out."""
    content = {
        "schema": SCHEMA,
        "title": history.title,
        "nights": [
            {
                "label": label,
                "bundle": run.name,
                "started": run.started.isoformat() if run.started else None,
                **({} if run.step is None else {"step": run.step}),
            }
            for label, run in zip(history.labels, history.runs, strict=True)
        ],
        "metrics": {course.path: _course_json(history, course) for course in history.courses},
        "left_out": [{"file": str(mistake.file), "reason": mistake.message} for mistake in history.left_out],
    }
    return json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def failure_json(reason: str) -> str:
    """The same file where no history could be made, and why."""
    content = {"schema": SCHEMA, "title": "", "reason": reason, "nights": [], "metrics": {}, "left_out": []}
    return json.dumps(content, ensure_ascii=True, indent=1) + "\n"


def _course_json(history: History, course: Course) -> dict[str, Any]:
    return {
        "probe_id": course.probe_id,
        "subject": course.subject,
        "name": course.name,
        "unit": course.unit,
        "tolerance": {"abs": course.tolerance.abs, "rel": course.tolerance.rel},
        "values": [value if math.isfinite(value) else None for value in course.values],
        "segments": [
            {
                "first": segment.first,
                "reason": segment.reason,
                "levels": [{"first": one.first, "last": one.last, "level": one.level} for one in segment.plateaus],
            }
            for segment in course.segments
        ],
        "steps": [
            {
                "first": step.first,
                "last": step.last,
                "before": step.before,
                "after": step.after,
                "changed": history.describe_cause(course, step),
            }
            for step in course.steps
        ],
    }
