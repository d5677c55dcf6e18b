"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from reportgen.probing.view import SubjectView

CONTEXT = 16
"""Characters before a word that tell which of its occurrences is meant."""


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
        before = (before + word)[-2 * CONTEXT :]
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
    """A word after the whole words before it that have room, on one line."""
    near = before[-CONTEXT:]
    cut = len(near) < len(before)
    if cut and " " in near:
        near = near[near.index(" ") :]
    shown = " ".join(f"{near}{word}".split())
    return f"…{shown}" if cut else shown


def first_pieces(view: SubjectView) -> list[dict[str, Any]]:
    """The tokens of the first text that this model read."""
    rows = view.rows("pieces")
    return [row for row in rows if row["text"] == rows[0]["text"]]
