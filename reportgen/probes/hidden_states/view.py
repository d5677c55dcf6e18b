"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from reportgen.language import digits
from reportgen.probing.view import SubjectView


def shown_tokens(view: SubjectView, prompt: int) -> list[str]:
    """The tokens of a prompt as they are shown."""
    return [str(record["token"]) for record in view.rows("tokens") if record["prompt"] == prompt]


def short(value: float) -> str:
    """A number in a cell; 0 is exact."""
    if value == 0:
        return "0"
    return digits(f"{value:,.0f}" if value >= 99.5 else f"{value:.2g}")
