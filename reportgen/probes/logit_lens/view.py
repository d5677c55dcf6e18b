"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

import numpy as np

from reportgen.language import say
from reportgen.probing.probe import quote_prompts
from reportgen.probing.view import SubjectView
from reportgen.text.characters import mark_space


def quote_answer(token: str, text: str) -> str:
    """A token as an answer to a prompt."""
    return say("logit_lens.answer", "“{token}” after “{text}”", token=mark_space(token), text=text)


def after_prompt(view: SubjectView, prompt: int) -> str:
    """Where the end of a prompt is read, in words."""
    return say("logit_lens.after", "after “{prompt}”", prompt=quote_prompts(view.outcome)[prompt])


def list_asked(view: SubjectView) -> list[int]:
    """The prompts that say what is right, and whose answers the model tells apart; none in bundles that hold none."""
    if "right_rank" not in view.outcome.arrays:
        return []
    known = np.isfinite(view.values("right_rank")[:, 0]).all(1)
    return [int(prompt) for prompt in np.flatnonzero(known)]
