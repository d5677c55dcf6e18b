"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from reportgen.language import say
from reportgen.text.characters import mark_space


def quote_answer(token: str, text: str) -> str:
    """A token as an answer to a prompt."""
    return say("logit_lens.answer", "“{token}” after “{text}”", token=mark_space(token), text=text)
