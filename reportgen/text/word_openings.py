"""Tokens with which a word may begin: what a model that has the word in mind could write first."""

from collections.abc import Iterable, Mapping
from functools import lru_cache

from reportgen.text.scripts import script_of
from reportgen.text.tokens import TextTokenizer


def beginnings(tokenizer: TextTokenizer, words: Iterable[str]) -> Mapping[str, frozenset[int]]:
    """Word -> ids of the tokens that are a prefix of it, with a leading space and without.

    A prefix is one of whole characters; of a word in a script other than Latin it may end within a character, so that
    the token of its first byte is one. The space alone is none.
    """
    return _beginnings(tokenizer, frozenset(words))


@lru_cache(maxsize=8)
def _beginnings(tokenizer: TextTokenizer, words: frozenset[str]) -> Mapping[str, frozenset[int]]:
    of_prefix: dict[bytes, set[str]] = {}
    for word in words:
        for prefix in _prefixes(word):
            for form in (prefix, b" " + prefix):
                of_prefix.setdefault(form, set()).add(word)
    found: dict[str, set[int]] = {word: set() for word in words}
    known = tokenizer.size if tokenizer.rows is None else min(tokenizer.size, tokenizer.rows)
    for token_id in range(known):
        for word in of_prefix.get(tokenizer.piece(token_id), ()):
            found[word].add(token_id)
    return {word: frozenset(ids) for word, ids in found.items()}


def _prefixes(word: str) -> list[bytes]:
    if script_of(word) == "latin":
        return [word[:length].encode() for length in range(1, len(word) + 1)]
    written = word.encode()
    return [written[:length] for length in range(1, len(written) + 1)]
