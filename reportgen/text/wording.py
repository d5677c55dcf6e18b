"""How much of a free text is of a language or a script, and how much of it the text has said before.

A word is a run of letters, case folded and in Unicode's composed form; an apostrophe within is part of it ("don't"),
but an elision listed for a language is a word of its own ("l'eau" is "l'" and "eau"). In scripts that put no space
between words, such as Han and Thai, each letter is one. What is no letter (digits, marks, emoji) is no word.

Loops count once: every run of words that the text had already is left out before a share is taken.
"""

import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from reportgen.text.function_words import elisions, function_words, listed_language, telling_words
from reportgen.text.scripts import script_of

RUN = 4
"""Words that must come again in the same order to be a repeat: shorter runs do in any prose."""
RUN_OF_LETTERS = 8
"""The same, where each letter is a word: a name of four Han characters comes again in any prose."""
LEAST_HITS = 2
"""Telling words from which on the language of a text can be said: one alone may be a name."""
LOOPS_FROM = 0.5
"""Share of repeated words from which on a text is a loop: it says more again than anew."""

Texts = str | Sequence[str]
"""One text, or several that are measured together: all of their words count alike, and a loop is one within a text."""

_UNSPACED = ("CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")
"""How Unicode's names of the letters begin that no space parts."""
_APOSTROPHES = {ord(mark): "'" for mark in "’ʼ＇"}
_NO_PART = ("M", "Cf")
"""Categories of what neither is a letter nor parts a word: accents that do not compose, joiners, soft hyphens."""


def words_of(text: str) -> list[str]:
    """The words of a text, in order."""
    folded = unicodedata.normalize("NFC", text.translate(_APOSTROPHES).casefold())
    found: list[str] = []
    for run in "".join(map(_space_out, folded)).split():
        rest = run.strip("'")
        while (end := rest.find("'") + 1) and rest[:end] in elisions():
            found.append(rest[:end])
            rest = rest[end:]
        found += filter(None, [rest])
    return found


def repeats(words: Sequence[str]) -> list[bool]:
    """(word) true where it lies in a run that the text had already: RUN words, or RUN_OF_LETTERS unspaced letters.

    Of a phrase said over and over that leaves the first time; of a phrase of fewer words than a run too.
    """
    again = [False] * len(words)
    seen: set[tuple[str, ...]] = set()
    for start, word in enumerate(words):
        length = RUN_OF_LETTERS if _is_unspaced(word[0]) else RUN
        run = tuple(words[start : start + length])
        if run in seen:
            again[start : start + length] = [True] * length
        if len(run) == length:
            seen.add(run)
    return again


def repeated_share(texts: Texts) -> float:
    """Share of the words that lie in a run their text had already; NaN where there is no word.

    A text that loops with k rounds has 1 - 1/k; prose has 0, or little more.
    """
    again = [one for text in _list_texts(texts) for one in repeats(words_of(text))]
    return sum(again) / len(again) if again else float("nan")


def function_word_share(texts: Texts, language: str) -> float:
    """Share of the words that are in a language's list of function words, loops counted once; NaN without words.

    Plain prose has 0.35 to 0.7 by its own language's list (French 0.55), English by the French one under 0.05, but
    that of a neighbour, such as Spanish by the French one, 0.2 to 0.3: see `language_share`. `language` is a BCP 47
    tag.

    Raises:
        ValueError: there is no list of that language.
    """
    listed = function_words()[listed_language(language)]
    words = _drop_repeats(texts)
    return sum(word in listed for word in words) / len(words) if words else float("nan")


def language_share(texts: Texts, language: str) -> float:
    """Of the words that tell a language, the share of those that tell this one, loops counted once.

    A word tells a language when it is a function word of that one alone among those that have a list. A paragraph of
    prose has 0.8 to 1 of its own language and under 0.2 of any other; a text that changes its language has a share of
    each. NaN where fewer than LEAST_HITS words tell any: too short (of a dozen words, one text in eight), or of no
    listed language. `language` is a BCP 47 tag.

    Raises:
        ValueError: there is no list of that language.
    """
    asked = listed_language(language)
    words = _drop_repeats(texts)
    hits = {one: sum(word in telling for word in words) for one, telling in telling_words().items()}
    told = sum(hits.values())
    return hits[asked] / told if told >= LEAST_HITS else float("nan")


def script_share(texts: Texts, script: str) -> float:
    """Share of the letters that are of one of `scripts.script_names()`, loops counted once; NaN without letters."""
    letters = [letter for word in _drop_repeats(texts) for letter in word if letter.isalpha()]
    return sum(script_of(letter) == script for letter in letters) / len(letters) if letters else float("nan")


def _drop_repeats(texts: Texts) -> list[str]:
    """The words of texts without those of each text's repeats."""
    found: list[str] = []
    for words in map(words_of, _list_texts(texts)):
        found += [word for word, again in zip(words, repeats(words), strict=True) if not again]
    return found


def _list_texts(texts: Texts) -> Sequence[str]:
    return [texts] if isinstance(texts, str) else texts


def _space_out(character: str) -> str:
    """A character as it stands in a line of words with spaces between them."""
    if character == "'":
        return character
    if not character.isalpha():
        return "" if unicodedata.category(character).startswith(_NO_PART) else " "
    return f" {character} " if _is_unspaced(character) else character


@lru_cache(maxsize=65_536)
def _is_unspaced(letter: str) -> bool:
    return unicodedata.name(letter, "").startswith(_UNSPACED)
