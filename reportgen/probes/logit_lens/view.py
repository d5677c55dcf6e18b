"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from reportgen.language import say
from reportgen.probing.probe import prompt_labels
from reportgen.probing.view import SubjectView
from reportgen.text.characters import mark_space


def quote_answer(token: str, text: str) -> str:
    """A token as an answer to a prompt."""
    return say("logit_lens.answer", "“{token}” after “{text}”", token=mark_space(token), text=text)


def after_prompt(view: SubjectView, prompt: int) -> str:
    """Where the end of a prompt is read, in words."""
    return say("logit_lens.after", "after “{prompt}”", prompt=prompt_labels(view.outcome)[prompt])
