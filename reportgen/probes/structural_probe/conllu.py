"""Treebanks in CoNLL-U, as Universal Dependencies publishes them, read strictly: a tree that is none is refused.

A range of a multi-word token (1-2 for `du`) is the text, and its words are taken where they spell it one after the
other (`do` + `n't`); else nothing in the text is the word, and the sentence is left out. Empty nodes (1.1) belong to
the enhanced graph and are passed over.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from reportgen.documents.regular_file import MEGABYTE, read_regular_text
from reportgen.errors import BatteryError, Mistake
from reportgen.probes.structural_probe.trees import Sentence, find_fault

MOST_BYTES = 300 * MEGABYTE
"""The most that a treebank may hold; the largest of Universal Dependencies' files has 250 MB."""
COLUMNS = 10
MOST_DIGITS = 6
"""Of the number of a word."""
FORM, TAG, HEAD, MISC = 1, 3, 6, 9
_RANGE = re.compile(rf"([0-9]{{1,{MOST_DIGITS}}})-([0-9]{{1,{MOST_DIGITS}}})")
_EMPTY_NODE = re.compile(r"[0-9]+\.[0-9]+")
_ID = re.compile(r"#\s*sent_id\s*=\s*(\S.*)")


@dataclass(frozen=True)
class Treebank:
    """The sentences of a file."""

    sentences: tuple[Sentence, ...]
    left_out: int
    """Sentences with a multi-word token that its words do not spell."""


def read_treebank(file: Path) -> Treebank:
    """The sentences of a CoNLL-U file; read once as long as the file stays what it is.

    Raises:
        BatteryError: it cannot be read, or a line or a tree in it is wrong; says which.
    """
    try:
        status = file.stat()
    except OSError as error:
        raise BatteryError(Mistake(f"cannot be read: {error.strerror}", "Is the path right?", file)) from error
    return _read_cached(file, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4)
def _read_cached(file: Path, changed: int, size: int) -> Treebank:
    try:
        text = read_regular_text(file, MOST_BYTES)
    except OSError as error:
        raise BatteryError(Mistake(f"cannot be read: {error.strerror}", "Is the path right?", file)) from error
    except UnicodeDecodeError as error:
        raise BatteryError(Mistake("is not UTF-8", "Save it as UTF-8.", file)) from error
    sentences: list[Sentence] = []
    left_out = 0
    for number, block in enumerate(_split_blocks(text.split("\n")), 1):
        found = _read_block(file, block, f"{file.stem}-{number}")
        if found is None:
            left_out += 1
        else:
            sentences.append(found)
    if not sentences:
        raise BatteryError(Mistake("holds no sentence", "A treebank is a file in CoNLL-U.", file, 1))
    return Treebank(tuple(sentences), left_out)


Line = tuple[int, str]
"""Its number in the file, from 1, and what stands on it."""


def _split_blocks(lines: Sequence[str]) -> Iterator[list[Line]]:
    """The lines of each sentence; empty lines part them. Only a line feed ends a line: words may hold other breaks."""
    block: list[Line] = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            block.append((number, line.rstrip("\r")))
        elif block:
            yield block
            block = []
    if block:
        yield block


@dataclass
class _Words:
    """The words of a sentence, line by line."""

    file: Path
    forms: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    heads: list[int] = field(default_factory=list)
    spaces: list[bool] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    ranges: list[tuple[int, int, str, bool]] = field(default_factory=list)
    """First word and the one behind the last, what they write together, and whether a space follows."""

    def take(self, number: int, line: str) -> None:
        """Adds what a line says."""
        cells = line.split("\t")
        if len(cells) != COLUMNS:
            raise self.refuse(number, f"has {len(cells)} columns, not {COLUMNS}", "Columns are parted by tabs.")
        spaced = "SpaceAfter=No" not in cells[MISC].split("|")
        if both := _RANGE.fullmatch(cells[0]):
            if not 1 <= int(both[1]) <= int(both[2]):
                raise self.refuse(number, f"{cells[0]} is no range of words", "Words are counted from 1.")
            self.ranges.append((int(both[1]) - 1, int(both[2]), cells[FORM], spaced))
        elif not _EMPTY_NODE.fullmatch(cells[0]):
            self._take_word(number, cells, spaced=spaced)

    def _take_word(self, number: int, cells: Sequence[str], *, spaced: bool) -> None:
        if cells[0] != str(len(self.forms) + 1):
            told = f"the word {cells[FORM]!r} has the number {cells[0]!r}, not {len(self.forms) + 1}"
            raise self.refuse(number, told, "Words are counted from 1 in each sentence.")
        if not cells[HEAD].isdecimal() or len(cells[HEAD]) > MOST_DIGITS:
            raise self.refuse(number, f"the head of {cells[FORM]!r} is {cells[HEAD]!r}, not a number",
                              "Every word needs a head; 0 is the root's.")  # fmt: skip
        if not cells[FORM].strip():
            raise self.refuse(number, f"word {cells[0]} is empty", "Every word needs a form.")
        self.forms.append(cells[FORM])
        self.tags.append(cells[TAG])
        self.heads.append(int(cells[HEAD]) - 1)
        self.spaces.append(spaced)
        self.lines.append(number)

    def join_ranges(self) -> bool:
        """Gives words of multi-word tokens the spaces that the text has; whether the words spell these tokens."""
        for first, end, form, spaced in self.ranges:
            if end > len(self.forms) or "".join(self.forms[first:end]) != form:
                return False
            self.spaces[first:end] = [False] * (end - first - 1) + [spaced]
        return True

    def refuse(self, number: int, told: str, remedy: str) -> BatteryError:
        """What is wrong with a line."""
        return BatteryError(Mistake(told, remedy, self.file, number))


def _read_block(file: Path, block: Sequence[Line], called: str) -> Sentence | None:
    """A sentence; None where its words are not what the text spells."""
    words = _Words(file)
    for number, line in block:
        if not line.startswith("#"):
            words.take(number, line)
        elif named := _ID.match(line):
            called = named[1].strip()
    if not words.forms:
        raise words.refuse(block[0][0], "a sentence without words", "Remove it.")
    if fault := find_fault(words.heads):
        at, told = fault
        remedy = "Each sentence is one tree: one root, whose head is 0, and no circles."
        raise words.refuse(words.lines[at], f"word {at + 1}, {words.forms[at]!r}, {told}", remedy)
    if not words.join_ranges():
        return None
    marks = tuple(map(_is_punctuation, words.forms, words.tags))
    return Sentence(called, tuple(words.forms), tuple(words.heads), marks, tuple(words.spaces))


def _is_punctuation(form: str, tag: str) -> bool:
    """By its tag; where it has none, by its characters."""
    return tag == "PUNCT" or (tag == "_" and all(unicodedata.category(one).startswith("P") for one in form))
