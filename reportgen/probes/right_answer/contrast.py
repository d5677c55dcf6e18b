"""Right and wrong answers as the tokens that begin them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reportgen.text.answer_tokens import reasons_against_words, words_by_first_token

if TYPE_CHECKING:
    from reportgen.text.prompts import Prompt
    from reportgen.text.tokens import TextTokenizer


@dataclass(frozen=True)
class Contrast:
    """The distinct tokens that begin a prompt's right answers and its wrong ones."""

    right: tuple[int, ...]
    wrong: tuple[int, ...]


def find_contrast(tokenizer: TextTokenizer, prompt: Prompt) -> Contrast:
    """What begins the answers of a prompt that `reasons_against` has nothing against."""
    return Contrast(_list_first(tokenizer, prompt.answers or ()), _list_first(tokenizer, prompt.not_ or ()))


def reasons_against(tokenizer: TextTokenizer, prompts: Sequence[Prompt]) -> Mapping[str, str]:
    """What a prompt is called -> why a model with this tokenizer cannot be asked it."""
    reasons = {prompt.called: _reason_against(tokenizer, prompt) for prompt in prompts}
    return {called: reason for called, reason in reasons.items() if reason}


def _reason_against(tokenizer: TextTokenizer, prompt: Prompt) -> str:
    texts = [*(prompt.answers or ()), *(prompt.not_ or ())]
    if untold := reasons_against_words(tokenizer, texts):
        return next(iter(untold.values()))
    contrast = find_contrast(tokenizer, prompt)
    if shared := set(contrast.right) & set(contrast.wrong):
        token = min(shared)
        begun = [text for text in texts if token in _list_first(tokenizer, [text])]
        shown = " and ".join(repr(text) for text in begun)
        return f"{shown} begin with the same token, {tokenizer.show(token)!r}"
    return ""


def _list_first(tokenizer: TextTokenizer, texts: Sequence[str]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(word.token for word in words_by_first_token(tokenizer, texts)))
