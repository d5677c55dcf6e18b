"""Texts as a model's tokens and the bytes that these spell, and as windows in which each token is predicted once.

A text is read a part at a time, so that a long one is never there as tokens whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, compress, islice
from typing import TYPE_CHECKING

from reportgen.probes.bits_per_byte.words import scripts_of_tokens
from reportgen.text.parts import split_text

if TYPE_CHECKING:
    from reportgen.text.prompts import Prompt
    from reportgen.text.tokens import TextTokenizer

LONGEST_NAME = 60
"""Characters of a text that it is called by where it has no id."""
QUOTED = 20
"""Characters of a text that a reason quotes."""


@dataclass(frozen=True)
class Tokens:
    """Tokens of a text, one after another."""

    ids: tuple[int, ...] = ()
    """(token)"""
    pieces: tuple[bytes, ...] = ()
    """(token) the bytes of the text that each spells; those of all its tokens together are the text."""
    special: tuple[bool, ...] = ()
    """(token) true for a special token whose name the text holds: it is read, but is no token of the text."""
    scripts: tuple[str, ...] = ()
    """(token) the script that each writes."""

    def __add__(self, more: Tokens) -> Tokens:
        return Tokens(
            self.ids + more.ids, self.pieces + more.pieces, self.special + more.special, self.scripts + more.scripts
        )

    def counted(self, first: int = 0) -> list[bool]:
        """(token) whether it counts: it is of the text, and none of the first, before which nothing stands."""
        return [at >= first and not special for at, special in enumerate(self.special)]

    def between(self, first: int, end: int) -> Tokens:
        """Those from one place up to another."""
        span = slice(first, end)
        return Tokens(self.ids[span], self.pieces[span], self.special[span], self.scripts[span])


class ReadText:
    """A text as a model reads it."""

    def __init__(self, tokenizer: TextTokenizer, number: int, before: int, document: Prompt) -> None:
        self.number = number
        """Which of the documents it is, from 0."""
        self.before = before
        """Bytes of the documents before it, whether this model can read them or not."""
        self.called = name_text(document)
        self._tokenizer = tokenizer
        self._text = document.text or ""
        first = next(self._split())
        self.is_whole = len(first) == len(self._text)
        """Whether its first part is all of it."""
        self.head, self._first = _read_first(tokenizer, first)
        """What the tokenizer puts before every text: BOS."""

    @property
    def beginning(self) -> Tokens:
        """The tokens of its first part; none where they cannot be read."""
        return self._first if isinstance(self._first, Tokens) else Tokens()

    def parts(self) -> Iterator[Tokens]:
        """All its tokens, a part at a time.

        Raises:
            ValueError: this model cannot read a part, which `explain` says beforehand.
        """
        rest = islice(self._split(), 1, None) if not self.is_whole else ()
        read = (_read_part(self._tokenizer, (), self._encode(part), part) for part in rest)
        for part in chain([self._first], read):
            if isinstance(part, str):
                raise ValueError(part)
            yield part

    def explain(self) -> str:
        """Why nothing of it is predicted; empty where something is."""
        tokens, all_special, predicted = 0, True, False
        try:
            for part in self.parts():
                counted = part.counted(first=0 if self.head or tokens else 1)
                tokens, all_special = tokens + len(part.ids), all_special and all(part.special)
                predicted = predicted or any(map(bool, compress(part.pieces, counted)))
        except ValueError as error:
            return str(error)
        if tokens and all_special:
            return "it holds nothing but special tokens, which are not text"
        if not predicted:
            return "nothing of it is predicted: its first token has nothing before it, and it has no other"
        return ""

    def explain_beginning(self) -> str:
        """Why this model cannot read its first part; empty where it can."""
        return self._first if isinstance(self._first, str) else ""

    def _split(self) -> Iterator[str]:
        return split_text(self._tokenizer, self._text)

    def _encode(self, part: str) -> tuple[int, ...]:
        return self._tokenizer.encode(part, special_tokens=False).ids


@dataclass(frozen=True)
class Window:
    """One pass over a part of a text."""

    tokens: tuple[int, ...]
    """The head's, then the text's."""
    head: int
    """How many of them are the head's."""
    start: int
    """Place in the text of its first token after the head."""
    fresh: int
    """Place in the text from which on it says how likely each token was; what stands before was read before."""
    new: Tokens
    """Those of the text that no window before it holds."""

    @property
    def first(self) -> int:
        """Place in the window of the first token that counts."""
        return self.head + self.fresh - self.start

    @property
    def end(self) -> int:
        """Place in the text behind its last token."""
        return self.start + len(self.tokens) - self.head


def cut_windows(text: ReadText, length: int, overlap: int) -> Iterator[Window]:
    """Windows of `length` tokens, the head included, each beginning `overlap` tokens before the end of the last one:
    every token is predicted once, and after the first window at least so many tokens of the text stand before it.

    Raises:
        ValueError: head and overlap leave a window no token to predict, or this model cannot read the text.
    """
    room = _room_of(text.head, length, overlap)
    parts = text.parts()
    held, at = Tokens(), 0  # tokens from a place on, of which those before `at` are done with
    start, fresh, new = 0, 0 if text.head else 1, 0
    while True:
        while len(held.ids) - at <= room and (part := next(parts, None)) is not None:
            held, at = held.between(at, len(held.ids)) + part, 0
        taken = held.between(at, at + room)
        yield Window((*text.head, *taken.ids), len(text.head), start, fresh, taken.between(new - start, room))
        if len(held.ids) - at <= room:
            return
        start, fresh, new, at = start + room - overlap, start + room, start + room, at + room - overlap


def count_windows(tokens: int, head: Sequence[int], length: int, overlap: int) -> int:
    """How many they are, of a text of so many tokens.

    Raises:
        ValueError: head and overlap leave a window no token to predict.
    """
    room = _room_of(head, length, overlap)
    return 1 + max(0, -(-(tokens - room) // (room - overlap)))


def _room_of(head: Sequence[int], length: int, overlap: int) -> int:
    """Tokens of the text in a window."""
    room = length - len(head)
    if room <= overlap:
        raise ValueError(f"windows of {length} tokens have no room for {overlap} that are read again")
    return room


def size_of(document: Prompt) -> int:
    """Bytes of a text."""
    return len((document.text or "").encode("utf-8", "replace"))


def read_texts(tokenizer: TextTokenizer, documents: Iterable[Prompt], done: int = 0) -> Iterator[ReadText]:
    """The texts after the first `done`, one after another, whether something of them is predicted or not."""
    before = 0
    for number, document in enumerate(documents):
        if number >= done:
            yield ReadText(tokenizer, number, before, document)
        before += size_of(document)


def name_text(document: Prompt) -> str:
    """Its id, or how it begins."""
    if document.id:
        return document.id
    words = (found.group() for found in re.finditer(r"\S+", document.text or ""))
    text = " ".join(word[: LONGEST_NAME + 1] for word in islice(words, LONGEST_NAME + 1))
    return text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 1]}…"


def _read_first(tokenizer: TextTokenizer, text: str) -> tuple[tuple[int, ...], Tokens | str]:
    """What the tokenizer puts before a text, and the tokens of its first part; or why they cannot be read."""
    encoded = tokenizer.encode(text)
    # Only what the tokenizer adds has no place in the text: a special token whose name is written there has one.
    spans = zip(encoded.added, encoded.offsets, strict=True)
    own = [not (added and first == last) for added, (first, last) in spans]
    head = encoded.ids[: own.index(True)] if any(own) else encoded.ids
    ids = tuple(token for token, of_text in zip(encoded.ids, own, strict=True) if of_text)
    return head, _read_part(tokenizer, head, ids, text)


def _read_part(tokenizer: TextTokenizer, head: Sequence[int], ids: tuple[int, ...], text: str) -> Tokens | str:
    """The tokens of a part of a text; or why they cannot be read."""
    if reason := tokenizer.reason_against_tokens([*head, *ids]):
        return reason
    pieces = _spell(tokenizer, ids, text)
    if isinstance(pieces, str):
        return pieces
    special = tuple(token in tokenizer.special_ids for token in ids)
    return Tokens(ids, pieces, special, tuple(scripts_of_tokens(pieces)))


def _spell(tokenizer: TextTokenizer, ids: Sequence[int], text: str) -> tuple[bytes, ...] | str:
    """(token) the bytes of the text that each spells; a space that the tokenizer puts before every text is none of
    them. Or how they differ from it: bits of another text cannot be divided by the bytes of this one.
    """
    pieces = tuple(tokenizer.piece(token) for token in ids)
    spelled, written = b"".join(pieces), text.encode("utf-8", "replace")
    if spelled == written:
        return pieces
    if spelled == b" " + written:
        return (pieces[0][1:], *pieces[1:])
    at = next((at for at, pair in enumerate(zip(spelled, written, strict=False)) if pair[0] != pair[1]), 0)
    shown, meant = (one[max(at - 3, 0) :][:QUOTED].decode("utf-8", "replace") for one in (spelled, written))
    return f"its tokens spell another text: {shown!r} where {meant!r} is written"
