"""What its figures and its sentence both read."""

from __future__ import annotations

from typing import Any

from reportgen.probing.view import SubjectView


def look_rows(view: SubjectView) -> list[dict[str, Any]]:
    """Where the words of each look are, row by row; none in bundles that were made before heads could be searched."""
    return view.rows("looks") if "looks" in view.outcome.tables else []
