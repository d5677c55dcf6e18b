"""Spellings of one word: its tokens in upper and lower case, with the space before it and without."""

from collections.abc import Iterable, Mapping
from functools import lru_cache

from reportgen.text.tokens import TextTokenizer


def word_of(text: str) -> str:
    """A token without spaces and case."""
    return text.strip().casefold()


def find_spellings(tokenizer: TextTokenizer, words: Iterable[str]) -> Mapping[str, frozenset[int]]:
    """Word -> ids of all tokens that are this word without spaces and case: `Small`, ` small` and `SMALL` of small."""
    return _find_spellings(tokenizer, frozenset(words))


@lru_cache(maxsize=8)
def _find_spellings(tokenizer: TextTokenizer, words: frozenset[str]) -> Mapping[str, frozenset[int]]:
    found: dict[str, set[int]] = {word_of(word): set() for word in words}
    known = tokenizer.size if tokenizer.rows is None else min(tokenizer.size, tokenizer.rows)
    for token_id in range(known):
        of_word = found.get(word_of(tokenizer.show(token_id)))
        if of_word is not None:
            of_word.add(token_id)
    return {word: frozenset(found[word_of(word)]) for word in words}
