"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from reportgen.probing.view import SubjectView


def shown_tokens(view: SubjectView, prompt: int) -> list[str]:
    """The tokens of a prompt as they are shown."""
    return [str(record["token"]) for record in view.rows("tokens") if record["prompt"] == prompt]
