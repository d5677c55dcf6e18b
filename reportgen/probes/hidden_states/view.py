"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from reportgen.results.quantities import Outcome


def shown_tokens(outcome: Outcome, prompt: int) -> list[str]:
    """The tokens of a prompt as they are shown."""
    return [str(record["token"]) for record in outcome.tables["tokens"].records() if record["prompt"] == prompt]
