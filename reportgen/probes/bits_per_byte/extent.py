"""How much there is to read, looked at before any model is loaded: the beginning in full, the rest by its bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from reportgen.probes.bits_per_byte.texts import ReadText, count_windows, size_of

if TYPE_CHECKING:
    from reportgen.features.text_options import TextSource
    from reportgen.text.tokens import TextTokenizer

LOOKED_AT = 1_000_000
"""Bytes of the texts that are cut into tokens beforehand; of those after them tokens are reckoned at the same rate."""

A_BYTE = 0.25
"""Tokens of a byte where none was looked at that can be read."""


@dataclass(frozen=True)
class Extent:
    """What is to be read."""

    windows: int
    """Counted where `is_counted`, else about as many as there will be."""
    longest: int
    """Tokens of the longest window, or more where they were not counted."""
    is_counted: bool
    """Whether all was looked at."""
    reasons: Mapping[str, str]
    """What a text is called -> why nothing of it is predicted, of those that were looked at."""


@lru_cache(maxsize=4)
def measure_extent(tokenizer: TextTokenizer, source: TextSource, length: int, overlap: int) -> Extent:
    """Goes through all texts once, so that a line that cannot be read is told of now, and holds one at a time.

    Raises:
        ValueError: the file cannot be read, or windows have no room for what they repeat.
    """
    reckoning = _Reckoning(length, overlap)
    before = 0
    for number, document in enumerate(source):
        if before < LOOKED_AT:
            reckoning.look_at(ReadText(tokenizer, number, before, document), size_of(document))
        else:
            reckoning.reckon(size_of(document))
        before += size_of(document)
    return Extent(reckoning.windows, reckoning.longest, reckoning.is_counted, reckoning.reasons)


class _Reckoning:
    """Windows of the texts so far, and what those that were looked at tell of the others."""

    def __init__(self, length: int, overlap: int) -> None:
        self.windows, self.longest, self.is_counted = 0, 0, True
        self.reasons: dict[str, str] = {}
        self._length, self._overlap = length, overlap
        self._head: tuple[int, ...] = ()
        self._tokens, self._bytes = 0, 0

    def look_at(self, text: ReadText, size: int) -> None:
        """Adds a text by its tokens, a long one by those of its beginning."""
        reason = text.explain() if text.is_whole else text.explain_beginning()
        if reason:
            self.reasons[text.called] = reason
            return
        self._head = text.head
        self._tokens += len(text.beginning.ids)
        self._bytes += sum(map(len, text.beginning.pieces))
        if text.is_whole:
            self._add(len(text.beginning.ids), len(text.beginning.ids))
        else:
            self.reckon(size)

    def reckon(self, size: int) -> None:
        """Adds a text by its bytes alone; a token is seldom of less than one."""
        self.is_counted = False
        rate = self._tokens / self._bytes if self._bytes else A_BYTE
        self._add(max(1, round(size * rate)), size)

    def _add(self, tokens: int, at_most: int) -> None:
        self.windows += count_windows(tokens, self._head, self._length, self._overlap)
        self.longest = max(self.longest, min(self._length, len(self._head) + at_most))
