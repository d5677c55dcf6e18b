"""A text cut into words that are the same for every tokenizer, and the scripts of its tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reportgen.text.scripts import script_of

UNSPACED = frozenset({"han", "kana"})
"""Scripts in which each character is a word of its own: no spaces part them."""
OTHER = "other"
"""The script of tokens without letters, or with letters of several scripts."""


def cut_words(text: str) -> list[str]:
    """The words of a text, one after another, each with the white space before it: together they are the text. What
    follows the last word goes with it.
    """
    words: list[str] = []
    begun, has_letter = "", False
    for character in text:
        alone = script_of(character) in UNSPACED
        if has_letter and (alone or character.isspace()):
            words.append(begun)
            begun, has_letter = "", False
        begun += character
        if alone:
            words.append(begun)
            begun = ""
        elif not character.isspace():
            has_letter = True
    if has_letter or (begun and not words):
        words.append(begun)
    elif begun:
        words[-1] += begun
    return words


def scripts_of_tokens(pieces: Sequence[bytes]) -> list[str]:
    """(token) the script that each writes, or `OTHER`; those that write one character together have the character's."""
    return [script for size, script in _units(pieces) for _ in range(size)]


def _units(pieces: Sequence[bytes]) -> Iterator[tuple[int, str]]:
    """(tokens, script) of the fewest tokens that spell whole characters, one after another."""
    pending, size = b"", 0
    for piece in pieces:
        pending, size = pending + piece, size + 1
        try:
            text = pending.decode()
        except UnicodeDecodeError:
            continue
        yield size, script_of(text) or OTHER
        pending, size = b"", 0
    if size:
        yield size, OTHER
