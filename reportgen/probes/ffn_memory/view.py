"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reportgen.probing.view import SubjectView

TOP, BOTTOM = "top", "bottom"


def first_tokens(view: SubjectView) -> dict[tuple[int, int, str], list[str]]:
    """(block, feature, end) -> its tokens."""
    found: dict[tuple[int, int, str], list[str]] = {}
    for record in view.rows("readings"):
        found.setdefault((record["block"], record["feature"], record["end"]), []).append(str(record["token"]))
    return found


def tell_end(record: Mapping[str, Any]) -> str:
    """How the list of a memory's triggers ends."""
    return TOP if record["coefficient"] > 0 else BOTTOM
