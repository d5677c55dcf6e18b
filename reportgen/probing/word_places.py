"""Where the words that a battery names are in its prompts: in each prompt that contains one, at its last token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reportgen.probing.case import Case
from reportgen.text.prompts import Prompt
from reportgen.text.words import WordNotFound, find_word


@dataclass(frozen=True)
class WordsFound:
    """Where the words are that a probe of prompts is asked for."""

    places: Mapping[str, Sequence[tuple[int, int]]]
    """Word -> (prompt, position of its last token)."""
    missing: Mapping[str, str]
    """Word -> why it is nowhere."""


def with_first_occurrence(prompt: Prompt) -> Prompt:
    """The prompt with an index: of a word that it does not single out, the first occurrence is meant."""
    return prompt.model_copy(update={"index": prompt.index or 0})


def find_words(case: Case[Any]) -> WordsFound:
    """The `words` of a probe's options in those of its `prompts` that contain them, each read at its last token."""
    places: dict[str, list[tuple[int, int]]] = {}
    missing: dict[str, str] = {}
    for word in case.options.words:
        reasons = []
        for number, prompt in enumerate(case.options.prompts):
            try:
                place = find_word(case.tokenizer, with_first_occurrence(prompt), word)
                places.setdefault(word, []).append((number, place.position))
            except WordNotFound as error:
                reasons.append(str(error))
        if word not in places:
            missing[word] = reasons[0]
    return WordsFound(places, missing)
