"""A text as windows of so many tokens, each a prompt of its own: what streams through a model once."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reportgen.documents.beside import exists, is_file
from reportgen.documents.regular_file import NotRegular, read_regular_lines, read_regular_text
from reportgen.text.prompts import Prompt
from reportgen.text.tokens import TextTokenizer

SHORTEST = 2
"""Tokens of a document from which they make a window."""
TEXT_BYTES = 1_000_000_000
"""The most that a text file may hold."""


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows one after another, four bytes a token."""

    ids: NDArray[np.int32]
    """(token) of all windows."""
    starts: NDArray[np.int64]
    """(window + 1) where each begins in `ids`; the last entry is where the last one ends."""
    added: NDArray[np.int32]
    """(window) tokens at its beginning that the tokenizer added: BOS."""

    def __len__(self) -> int:
        return len(self.added)

    def tokens(self, window: int) -> tuple[int, ...]:
        """The tokens of one window, those that were added included."""
        return tuple(self.ids[self.starts[window] : self.starts[window + 1]].tolist())

    def count_tokens(self, window: int) -> int:
        """Its tokens without those that were added."""
        return int(self.starts[window + 1] - self.starts[window] - self.added[window])

    def span(self, place: int) -> tuple[int, int, int]:
        """(first, itself, end) in `ids`: the token at a place, and the range of its window without what was added."""
        window = int(np.searchsorted(self.starts, place, side="right")) - 1
        return int(self.starts[window] + self.added[window]), place, int(self.starts[window + 1])


def split_documents(
    tokenizer: TextTokenizer, documents: Sequence[Prompt], context: int, most: int | None = None
) -> Windows:
    """Documents as windows of `context` tokens, BOS at the head of each where the tokenizer adds it; what is left of a
    document makes a shorter one, and no window holds two documents. Ends after the window in which `most` tokens are
    reached.

    Raises:
        ValueError: the model has no row for a token.
    """
    head = _read_head_tokens(tokenizer)
    ids: list[NDArray[np.int32]] = []
    added: list[int] = []
    seen = 0
    for body in (_body(tokenizer, document, head) for document in documents):
        if reason := tokenizer.reason_against_tokens([*head, *body]):
            raise ValueError(reason)
        step = context - len(head)
        for start in range(0, len(body), step):
            part = body[start : start + step]
            if len(part) < SHORTEST or (most is not None and seen >= most):
                continue
            ids.append(np.array([*head, *part], np.int32))
            added.append(len(head))
            seen += len(part)
    starts = np.concatenate([[0], np.cumsum([len(one) for one in ids], dtype=np.int64)])
    return Windows(np.concatenate([np.zeros(0, np.int32), *ids]), starts.astype(np.int64), np.array(added, np.int32))


def _read_head_tokens(tokenizer: TextTokenizer) -> tuple[int, ...]:
    """What the tokenizer puts before every text."""
    encoded = tokenizer.encode("a")
    count = next((at for at, added in enumerate(encoded.added) if not added), len(encoded.ids))
    return encoded.ids[:count]


def _body(tokenizer: TextTokenizer, document: Prompt, head: tuple[int, ...]) -> tuple[int, ...]:
    ids = tokenizer.prompt_ids(document)
    return ids[len(head) :] if head and ids[: len(head)] == head else ids


def documents_in(file: Path) -> Iterator[Prompt]:
    """The documents of a text file: of JSONL each line's `text`, read as it is asked for, else the whole file.

    Raises:
        ValueError: there is no such file, a line is no JSON or has no `text`, or there is no text at all.
    """
    if not is_file(file):
        raise ValueError(f"the text file {file} is {'not a regular file' if exists(file) else 'not there'}")
    try:
        yield from _read_documents(file)
    except NotRegular as error:
        raise ValueError(f"the text file {file} cannot be read: {error.strerror}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"the text file {file} cannot be read as UTF-8 text") from error


def _read_documents(file: Path) -> Iterator[Prompt]:
    empty = True
    if file.suffix == ".jsonl":
        for number, line in enumerate(read_regular_lines(file, TEXT_BYTES), 1):
            if line.strip():
                empty = False
                yield Prompt(text=_text_of(line, file, number))
    elif not (text := read_regular_text(file, TEXT_BYTES)).isspace() and text:
        empty = False
        yield Prompt(text=text)
    if empty:
        raise ValueError(f"the text file {file} is empty")


def _text_of(line: str, file: Path, number: int) -> str:
    try:
        held = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file}, line {number}: this is not JSON") from error
    text = held.get("text") if isinstance(held, dict) else held
    if not isinstance(text, str):
        raise ValueError(f"{file}, line {number}: expected a mapping with a `text`")
    if not text:
        raise ValueError(f"{file}, line {number}: the `text` is empty")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError(f"{file}, line {number}: the `text` holds half of a character (a lone surrogate)")
    return text
