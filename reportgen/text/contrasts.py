"""What is right and what is wrong after a prompt, as the tokens that begin it: the same for every probe that is told.

An answer of several tokens counts by its first. So a prompt is one that a model can be asked only if no right answer
begins with the token of a wrong one: else nothing tells them apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from reportgen.text.answer_tokens import answer_ids, reasons_against_words, words_by_first_token
from reportgen.text.characters import mark_space
from reportgen.text.prompts import Prompt
from reportgen.text.tokens import TextTokenizer


class Contrast(NamedTuple):
    """The distinct tokens that begin a prompt's right answers and its wrong ones, each in the order of the prompt."""

    right: tuple[int, ...]
    wrong: tuple[int, ...]


def find_contrasts(tokenizer: TextTokenizer, prompts: Sequence[Prompt]) -> list[Contrast | None]:
    """(prompt) what begins its answers; None if it says nothing of what is right, or a model with this tokenizer does
    not tell it apart from what is wrong.
    """
    return [_find_contrast(tokenizer, prompt) for prompt in prompts]


def reasons_against(tokenizer: TextTokenizer, prompts: Sequence[Prompt]) -> Mapping[str, str]:
    """What a prompt with answers is called -> why a model with this tokenizer cannot be asked it."""
    told = [(prompt.called, reason_against_contrast(tokenizer, prompt)) for prompt in prompts]
    return {called: reason for called, reason in told if reason}


def reason_against_contrast(tokenizer: TextTokenizer, prompt: Prompt) -> str:
    """Why a model with this tokenizer cannot be told what is right after a prompt; empty if it can, and if nothing is
    said to be right.
    """
    if not prompt.answers:
        return ""
    texts = [*prompt.answers, *(prompt.not_ or ())]
    if untold := reasons_against_words(tokenizer, texts):
        return next(iter(untold.values()))
    shared = set(_list_first(tokenizer, prompt.answers)) & set(_list_first(tokenizer, prompt.not_ or ()))
    if not shared:
        return ""
    token = min(shared)
    begun = [text for text in texts if token in _list_first(tokenizer, [text])]
    shown = " and ".join(_show_pieces(tokenizer, text) for text in begun)
    return f"{shown} begin with the same token, {tokenizer.show(token)!r}"


def _find_contrast(tokenizer: TextTokenizer, prompt: Prompt) -> Contrast | None:
    if not prompt.answers or reason_against_contrast(tokenizer, prompt):
        return None
    return Contrast(_list_first(tokenizer, prompt.answers), _list_first(tokenizer, prompt.not_ or ()))


def _list_first(tokenizer: TextTokenizer, texts: Sequence[str]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(word.token for word in words_by_first_token(tokenizer, texts)))


def _show_pieces(tokenizer: TextTokenizer, text: str) -> str:
    """A text, and the tokens that it is if these are several."""
    ids = answer_ids(tokenizer, text)
    shown = " | ".join(map(mark_space, tokenizer.show_sequence(ids)))
    return f"{text!r} ({shown})" if len(ids) > 1 else repr(text)
