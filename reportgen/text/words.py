"""Where a word stands in a sentence as a model reads it, and whether the tokens there are the word.

花 is one token in 一朵花, half of one in 花了, and three bytes in a model that has no token for it: what is read is the
word, something larger, or the end of a character: the three are not to be compared as if they were one.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal
from unicodedata import normalize

from reportgen.text.prompts import Prompt
from reportgen.text.scripts import script_of
from reportgen.text.tokens import EncodedText, TextTokenizer, is_fragment

Fit = Literal["exact", "inside", "bytes"]
"""`exact`: a word's tokens are the word and nothing else but a space before it; `inside`: they hold other letters or
signs too; `bytes`: the last of them is no whole character.
"""


class WordNotFound(Exception):
    """A word is not in its sentence, or stands there more than once and no index says which."""


@dataclass(frozen=True)
class WordPlace:
    """A word in a sentence as a model reads it."""

    positions: tuple[int, ...]
    """Those of the tokens that hold something of it, ascending."""
    tokens: tuple[int, ...]
    """Their ids."""
    fit: Fit

    @property
    def position(self) -> int:
        """The last of them, where the word is read: there the model has seen all of it."""
        return self.positions[-1]


def find_word(tokenizer: TextTokenizer, prompt: Prompt, word: str) -> WordPlace:
    """The tokens of a word in a prompt.

    Raises:
        WordNotFound: it is not there, or more than once and the prompt has no `index`.
    """
    text = tokenizer.prompt_text(prompt)
    start, end = _choose_span(word, text, prompt.index)
    encoded = tokenizer.encode_prompt(prompt)
    spans = enumerate(zip(encoded.offsets, encoded.added, strict=True))
    positions = tuple(i for i, ((first, last), added) in spans if not added and first < end and last > start)
    if not positions:
        raise WordNotFound(f"the word {word!r} in {text!r} has no token of its own")
    tokens = tuple(encoded.ids[position] for position in positions)
    return WordPlace(positions, tokens, _judge_fit(tokenizer, encoded, text, positions, (start, end)))


def _choose_span(word: str, text: str, index: int | None) -> tuple[int, int]:
    """(first, behind the last) character of the word in the text."""
    spans = list(find_spans(word, text))
    if not spans:
        raise WordNotFound(_explain_missing_word(word, text))
    if len(spans) > 1 and index is None:
        raise WordNotFound(f"the word {word!r} stands {len(spans)} times in {text!r}: say which by index: 0 …")
    which = index or 0
    if which >= len(spans):
        raise WordNotFound(f"index {which} of the word {word!r} in {text!r}, where it stands {len(spans)} times")
    return spans[which]


def find_spans(word: str, text: str) -> Iterable[tuple[int, int]]:
    """Wherever a word stands in a text, and not within a longer one: letters of its own script continue a word, and of
    a script that has capitals; 媽 beside iPad continues nothing, and scripts without capitals put no spaces.
    """
    for found in re.finditer(re.escape(word), text):
        start, end = found.span()
        continued = (start and _continues(text[start - 1], word[0])) or (
            end < len(text) and _continues(text[end], word[-1])
        )
        if not continued:
            yield start, end


def _continues(neighbour: str, letter: str) -> bool:
    """Whether a letter next to a word's first or last one makes it a longer word."""
    if not (_has_capitals(letter) and neighbour.isalpha()):
        return False
    script = script_of(neighbour)
    return script is None or script == script_of(letter)


def _has_capitals(character: str) -> bool:
    return character.isalpha() and character.lower() != character.upper()


def _judge_fit(
    tokenizer: TextTokenizer, encoded: EncodedText, text: str, positions: Sequence[int], span: tuple[int, int]
) -> Fit:
    if is_fragment(tokenizer.piece(encoded.ids[positions[-1]])):
        return "bytes"
    first, last = encoded.offsets[positions[0]][0], encoded.offsets[positions[-1]][1]
    more = text[first : span[0]] + text[span[1] : last]
    return "inside" if more.strip() else "exact"


def _explain_missing_word(word: str, text: str) -> str:
    """Why a word is not found, which is hard to see where it only is composed otherwise."""
    told = f"the word {word!r} is not in the sentence {text!r}"
    if word in text:
        return f"{told}: there it is part of a longer word"
    if normalize("NFC", word) in normalize("NFC", text):
        return (
            f"{told}: there it is spelled with different characters (é as one, or e and a mark): copy it from "
            f"the sentence"
        )
    return told
