"""A text in pieces that fit the cells of a figure."""

from unicodedata import east_asian_width

UNSPACED = 4
"""Characters of a piece in scripts without spaces."""


def pieces_of(text: str) -> list[str]:
    """The words of a text as they are written; what no space parts, in pieces of a few characters."""
    found = []
    for word in text.split():
        size = UNSPACED if any(east_asian_width(letter) in "WF" for letter in word) else len(word)
        found += [word[at : at + size] for at in range(0, len(word), size)]
    return found
