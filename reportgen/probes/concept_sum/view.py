"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reportgen.probing.view import SubjectView

MEASURES = ("cosine", "dot")


def rows_by_item(view: SubjectView, measure: str) -> dict[int, list[Mapping[str, Any]]]:
    """Concept -> its nearest rows by one measure."""
    found: dict[int, list[Mapping[str, Any]]] = {}
    for record in view.rows("nearest"):
        if record["measure"] == measure:
            found.setdefault(record["item"], []).append(record)
    return found
