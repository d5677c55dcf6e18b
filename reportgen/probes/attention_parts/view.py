"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from typing import Any

from reportgen.probing.view import SubjectView


def rows_of_head(view: SubjectView, prompt: int, block: int, head: int) -> list[dict[str, Any]]:
    """The rows of `keys` of one head; none where the model does not have it."""
    items = [r["item"] for r in view.rows("heads") if (r["block"], r["head"]) == (block, head)]
    return [r for r in view.rows("keys") if r["prompt"] == prompt and r["item"] in items]
