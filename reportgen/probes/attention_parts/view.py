"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from typing import Any

from reportgen.results.quantities import Outcome


def of_head(outcome: Outcome, prompt: int, block: int, head: int) -> list[dict[str, Any]]:
    """The rows of `keys` of one head; none where the model does not have it."""
    items = [r["item"] for r in outcome.tables["heads"].records() if (r["block"], r["head"]) == (block, head)]
    return [r for r in outcome.tables["keys"].records() if r["prompt"] == prompt and r["item"] in items]
