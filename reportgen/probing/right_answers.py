"""What prompts say is right after them, as probes keep it and as figures and sentences show it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reportgen.language import say
from reportgen.probing.view import SubjectView
from reportgen.results.quantities import Rows, table
from reportgen.text.answer_tokens import words_by_first_token
from reportgen.text.contrasts import Contrast
from reportgen.text.prompts import Prompt
from reportgen.text.tokens import TextTokenizer


def answer_table() -> Any:
    """A field of what is right and what is wrong after each prompt, which `answer_rows` fills; none if no prompt says
    what is right.
    """
    return table("prompt", "answer", "token_id", "right", optional=True)


def answer_rows(tokenizer: TextTokenizer, prompts: Sequence[Prompt], contrasts: Sequence[Contrast | None]) -> Rows:
    """Rows of an `answers` table: each answer with its first token, of the prompts that this model can be asked."""
    return [
        [at, word.text, word.token, is_right]
        for at, (prompt, contrast) in enumerate(zip(prompts, contrasts, strict=True))
        if contrast is not None
        for is_right, texts in ((True, prompt.answers), (False, prompt.not_))
        for word in words_by_first_token(tokenizer, texts or ())
    ]


def say_what_is_right(prompts: Sequence[Prompt]) -> bool:
    """Whether any prompt says what is right after it."""
    return any(prompt.answers for prompt in prompts)


def tell_taken(view: SubjectView, *, foil: bool) -> str:
    """That the answers are those of the prompts, where `answers` of the probe itself names none; empty if it does, or
    if no prompt has any. `foil`: whether the probe contrasts them with another.
    """
    prompts = view.options["prompts"]
    if view.options["answers"] or not any(prompt.get("answers") for prompt in prompts):
        return ""
    if foil and any(prompt.get("not") for prompt in prompts):
        return say(
            "right_answers.taken_both",
            "The answer is the first of each prompt's `answers`; it is contrasted with the first of its `not`.",
        )
    return say("right_answers.taken", "The answers are those that the prompts name.")
