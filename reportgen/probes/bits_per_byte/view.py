"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, groupby
from typing import Any
from unicodedata import east_asian_width

from reportgen.probing.view import SubjectView

LABEL = 16
"""Columns of a word with what stands before it, which tells which of its occurrences is meant."""
BEFORE = 2 * LABEL
"""Characters before a word that are looked at for that."""

MOST_COMPARED = 8
"""Models of which every two are compared: 40 would be 780 comparisons."""


def list_compared(views: Sequence[SubjectView]) -> list[tuple[SubjectView, SubjectView]]:
    """Every two models; of more than `MOST_COMPARED` the first and the last, which no number has chosen: the best and
    the worst of many differ by chance alone.
    """
    return list(combinations(views, 2)) if len(views) <= MOST_COMPARED else [(views[0], views[-1])]


@dataclass(frozen=True)
class SharedWord:
    """A word of a text that two models predict wholly."""

    text: int
    label: str
    """The word, after what stands before it."""
    bits: tuple[float, float]
    """That it takes each of the two."""
    bytes: int

    @property
    def difference(self) -> float:
        """Bits in the one less those in the other."""
        return self.bits[0] - self.bits[1]


def share_words(one: SubjectView, other: SubjectView) -> list[SharedWord]:
    """The words that both models predict wholly, in the order of the texts: the same bytes in both."""
    of_other = {(row["text"], row["place"]): row["bits"] for row in other.rows("words")}
    found: list[SharedWord] = []
    text, before = None, ""
    for row in one.rows("words"):
        before = before if row["text"] == text else ""
        text, word, bits = row["text"], str(row["word"]), of_other.get((row["text"], row["place"]))
        if row["bits"] is not None and bits is not None:
            found.append(SharedWord(text, _label(before, word), (row["bits"], bits), row["bytes"]))
        before = (before + word)[-BEFORE - 1 :]
    return found


def compare_texts(words: Sequence[SharedWord]) -> tuple[list[float], list[float]]:
    """(text) bits per byte of the words of each text that two models share, in the one and in the other."""
    texts = [list(of_text) for _, of_text in groupby(words, key=lambda word: word.text)]
    sizes = [sum(word.bytes for word in of_text) for of_text in texts]
    one, other = (
        [sum(word.bits[which] for word in of_text) / size for of_text, size in zip(texts, sizes, strict=True)]
        for which in (0, 1)
    )
    return one, other


def _label(before: str, word: str) -> str:
    """A word after as much of what stands before it as has room, whole words where spaces part them, on one line."""
    shown, near = " ".join(word.split()), " ".join(before.split())
    space = " " if near and word[:1].isspace() else ""
    room = LABEL - _width(f"…{space}{shown}")
    kept = near
    while kept and _width(kept) > room:
        kept = kept.partition(" ")[2] if " " in kept or space else kept[1:]
    if not kept:
        return shown
    return f"{'' if kept == near and len(before) <= BEFORE else '…'}{kept}{space}{shown}"


def _width(text: str) -> int:
    """Columns of a text where Chinese characters take two."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


def first_pieces(view: SubjectView) -> list[dict[str, Any]]:
    """The tokens of the first text that this model read."""
    rows = view.rows("pieces")
    return [row for row in rows if row["text"] == rows[0]["text"]]
