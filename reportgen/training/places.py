"""Where in its text each prompt of a trained probe is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reportgen.probing.case import Case, Unusable
from reportgen.text.prompts import Prompt
from reportgen.text.words import WordNotFound, find_word

Read = tuple[tuple[int, ...], tuple[int, ...]]
"""A prompt's token ids, and the one position that is read."""


def find_places(case: Case[Any], prompts: Sequence[Prompt]) -> list[Read]:
    """Each prompt at the last token of its `word`; at its own last token where it names none.

    Raises:
        Unusable: a word is not in its prompt, or a prompt cannot be read.
    """
    return [(tokens := case.tokens(prompt), (find_place(case, prompt, len(tokens)),)) for prompt in prompts]


def find_place(case: Case[Any], prompt: Prompt, length: int) -> int:
    """The last token of a prompt's `word`; its own last, of so many, where it names none.

    Raises:
        Unusable: the word is not in the prompt.
    """
    if prompt.word is None:
        return length - 1
    try:
        return find_word(case.tokenizer, prompt, prompt.word).position
    except WordNotFound as error:
        raise Unusable(str(error)) from error
