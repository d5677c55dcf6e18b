"""Texts as a model's tokens and the bytes that these spell, and as windows in which each token is predicted once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reportgen.text.prompts import Prompt
    from reportgen.text.tokens import TextTokenizer

LONGEST_NAME = 60
"""Characters of a text that it is called by where it has no id."""
QUOTED = 20
"""Characters of a text that a reason quotes."""


@dataclass(frozen=True)
class ReadText:
    """A text as a model reads it."""

    number: int
    """Which of the documents it is, from 0."""
    before: int
    """Bytes of the documents before it, whether this model can read them or not."""
    called: str
    head: tuple[int, ...]
    """What the tokenizer puts before every text: BOS."""
    ids: tuple[int, ...]
    """(token) of the text itself."""
    pieces: tuple[bytes, ...]
    """(token) the bytes of the text that each spells; together they are the text."""
    special: tuple[bool, ...]
    """(token) true for a special token whose name the text holds: it is read, but is no token of the text."""

    @property
    def text(self) -> str:
        """What was written."""
        return b"".join(self.pieces).decode()

    @property
    def predicted(self) -> tuple[bool, ...]:
        """(token) whether it counts: something stands before it, and it is of the text."""
        return tuple((bool(self.head) or at > 0) and not special for at, special in enumerate(self.special))


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
        ValueError: head and overlap leave a window no token to predict.
    """
    room = length - len(text.head)
    if room <= overlap:
        raise ValueError(f"windows of {length} tokens have no room for {overlap} that are read again")
    start, fresh = 0, 0 if text.head else 1
    while True:
        part = text.ids[start : start + room]
        window = Window((*text.head, *part), len(text.head), start, fresh)
        yield window
        if window.end >= len(text.ids):
            return
        start, fresh = window.end - overlap, window.end


def read_texts(tokenizer: TextTokenizer, documents: Sequence[Prompt]) -> list[ReadText]:
    """The texts of which this model can predict something."""
    return [one for one in _read(tokenizer, tuple(documents)) if isinstance(one, ReadText)]


def reasons_against(tokenizer: TextTokenizer, documents: Sequence[Prompt]) -> dict[str, str]:
    """What a text is called -> why this model predicts nothing of it."""
    found = zip(documents, _read(tokenizer, tuple(documents)), strict=True)
    return {name_text(document): reason for document, reason in found if isinstance(reason, str)}


def name_text(document: Prompt) -> str:
    """Its id, or how it begins."""
    text = " ".join((document.text or "").split())
    return document.id or (text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 1]}…")


@lru_cache(maxsize=4)
def _read(tokenizer: TextTokenizer, documents: tuple[Prompt, ...]) -> list[ReadText | str]:
    sizes = [len((document.text or "").encode("utf-8", "replace")) for document in documents]
    starts = [0, *accumulate(sizes)]
    return [_read_one(tokenizer, number, starts[number], document) for number, document in enumerate(documents)]


def _read_one(tokenizer: TextTokenizer, number: int, before: int, document: Prompt) -> ReadText | str:
    """The text; or why nothing of it is predicted."""
    encoded = tokenizer.encode_prompt(document)
    # Only what the tokenizer adds has no place in the text: a special token whose name is written there has one.
    spans = zip(encoded.added, encoded.offsets, strict=True)
    own = [not (added and first == last) for added, (first, last) in spans]
    head = encoded.ids[: own.index(True)] if any(own) else encoded.ids
    ids = tuple(token for token, of_text in zip(encoded.ids, own, strict=True) if of_text)
    if reason := tokenizer.reason_against_tokens([*head, *ids]):
        return reason
    pieces = _spell(tokenizer, ids, document.text or "")
    if isinstance(pieces, str):
        return pieces
    special = tuple(token in tokenizer.special_ids for token in ids)
    text = ReadText(number, before, name_text(document), head, ids, pieces, special)
    if ids and all(special):
        return "it holds nothing but special tokens, which are not text"
    if not any(predicted and piece for predicted, piece in zip(text.predicted, pieces, strict=True)):
        return "nothing of it is predicted: its first token has nothing before it, and it has no other"
    return text


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
