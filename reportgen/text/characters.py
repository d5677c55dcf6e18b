"""Characters as tokens write them: emoji, characters whose bytes lie in several tokens, and bytes that are none."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import Literal
from unicodedata import category

from reportgen.text.tokens import spell

_PICTURE = r"[\u231A\u231B\u2328\u23CF-\u23F3\u2600-\u27BF\u2B00-\u2BFF\U0001F000-\U0001F1E5\U0001F200-\U0001FAFF]"
_TURNED = r"[\uFE0F\U0001F3FB-\U0001F3FF]"
_EMOJI = re.compile(rf"[\U0001F1E6-\U0001F1FF]{{2}}|{_PICTURE}{_TURNED}*(?:\u200D{_PICTURE}{_TURNED}*)*")
"""A flag; or a picture, with its colours and forms, and what is joined to it."""


Kind = Literal["emoji", "joined", "fragment"]


@dataclass(frozen=True)
class Character:
    """What one or more tokens write together."""

    kind: Kind
    """`joined`: no emoji, but of several tokens; `fragment`: bytes that make no character."""
    first: int
    last: int
    """Its first and its last token."""
    pieces: tuple[bytes, ...]
    """(token) the part of the character that each token writes."""
    text: str

    @property
    def bytes(self) -> str:
        """What each token adds, as `F0 9F · 90 · A0`."""
        return " · ".join(piece.hex(" ").upper() for piece in self.pieces)


def characters(pieces: Sequence[bytes]) -> list[Character]:
    """The characters worth naming among those that tokens, given as their bytes, write one after another."""
    data, starts = b"".join(pieces), [0, *accumulate(map(len, pieces))]
    found: list[Character] = []
    for first, last, whole in _runs(data):
        for kind, begin, end in _split_text(data[first:last].decode()) if whole else _name_fragment(last - first):
            parts = _parts(pieces, starts, first + begin, first + end)
            if kind == "joined" and len(parts) == 1:
                continue
            text = spell(data[first + begin : first + end])
            found.append(Character(kind, min(parts), max(parts), tuple(parts.values()), text))
    return found


def _runs(data: bytes) -> Iterator[tuple[int, int, bool]]:
    """(first, last, whole) byte ranges that are text, and those that are none, in turn."""
    text = data.decode(errors="surrogateescape")  # a byte that is not text becomes a character of its own
    at = 0
    for escaped, together in groupby(text, key=lambda character: "\udc80" <= character <= "\udcff"):
        size = len("".join(together).encode(errors="surrogateescape"))
        yield at, at + size, not escaped
        at += size


def _split_text(text: str) -> Iterator[tuple[Kind, int, int]]:
    """(kind, first, last) byte ranges of the emoji of a text, and of its other characters of several bytes."""
    at, place = 0, 0
    while at < len(text):
        emoji = _EMOJI.match(text, at)
        unit = emoji.group() if emoji else text[at]
        size = len(unit.encode())
        if emoji or size > 1:
            yield "emoji" if emoji else "joined", place, place + size
        at, place = at + len(unit), place + size


def _name_fragment(size: int) -> Iterator[tuple[Kind, int, int]]:
    yield "fragment", 0, size


def _parts(pieces: Sequence[bytes], starts: Sequence[int], first: int, last: int) -> dict[int, bytes]:
    """Token -> what it has of a byte range."""
    parts = {}
    for token in range(bisect_right(starts, first) - 1, len(pieces)):
        if starts[token] >= last:
            break
        part = pieces[token][max(0, first - starts[token]) : last - starts[token]]
        if part:
            parts[token] = part
    return parts


_SPELLED = re.compile(r"<([0-9A-F]{2}(?: [0-9A-F]{2})*)>")
"""Bytes of a token that are no whole character, as tables write them."""


def name_joined(shown: Sequence[str]) -> list[str]:
    """What to call tokens that follow each other, given as tables write them: that which completes a character is
    called by it (→🐠), all others are as they were.
    """
    names = list(shown)
    for character in characters([_unspell(token) for token in shown]):
        if character.last > character.first and character.kind != "fragment":
            names[character.last] = f"→{character.text}"
    return names


def _unspell(shown: str) -> bytes:
    """The bytes of a token as tables write it."""
    data, at = b"", 0
    for found in _SPELLED.finditer(shown):
        data += shown[at : found.start()].encode(errors="surrogatepass") + bytes.fromhex(found[1])
        at = found.end()
    return data + shown[at:].encode(errors="surrogatepass")


LONGEST_QUOTE = 48
"""Characters of a text that is quoted whole."""
QUOTED_END = 24
"""Characters of each end of a longer one, at most."""
_JOINING = frozenset({"Mn", "Mc", "Me", "Cf"})


def shorten_quote(text: str) -> str:
    """A text for between quotation marks; of a long one its start, and its end, which a model goes on from.

    Cut between words where there are any, and never before what joins the character in front of it.
    """
    if len(text) <= LONGEST_QUOTE:
        return text
    first, last = QUOTED_END, len(text) - QUOTED_END
    while first > 0 and category(text[first]) in _JOINING:
        first -= 1
    while last < len(text) and category(text[last]) in _JOINING:
        last += 1
    start, end = text[:first], text[last:]
    return f"{(start.rpartition(' ')[0] or start).rstrip()} … {(end.partition(' ')[2] or end).strip()}"


def mark_space(token: str) -> str:
    """A token with each leading space as ␣; one of nothing but spaces wholly."""
    bare = token.lstrip(" ")
    return "␣" * (len(token) - len(bare)) + bare
