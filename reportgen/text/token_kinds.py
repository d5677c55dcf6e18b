"""What the tokens of a vocabulary are good for: which no text can be made of, and which nobody has any use for."""

import re
from collections.abc import Iterator
from typing import Literal

from reportgen.text.tokens import TextTokenizer, is_fragment

Kind = Literal["ordinary", "byte", "special", "unreachable", "reserved"]
KINDS: tuple[Kind, ...] = ("ordinary", "byte", "special", "unreachable", "reserved")

Unused = Literal["reserved", "beyond", "impossible"]
"""By its name, as a row that the tokenizer has no token for, or as a byte that UTF-8 never has."""

_RESERVED = re.compile(r"[<\[|>]\W*(?:.*(?:unused|reserved|place.?holder).*|pad[ _-]?\d+)\W*[>\]|<]", re.IGNORECASE)
_BYTE = re.compile(r"<0x[0-9A-Fa-f]{2}>")
_IMPOSSIBLE = frozenset((0xC0, 0xC1, *range(0xF5, 0x100)))
_ANCHORS = ("", "«", "\n")
"""What a token may stand after: some tokenizers put a space in front of a text, or drop the one that is there."""


def list_unused(tokenizer: TextTokenizer, rows: int) -> Iterator[tuple[int, Unused]]:
    """Tokens of a table of so many rows that no training text can have held, with how that is known.

    By their name (`<unused7>`, `<|reserved_special_token_3|>`, `[PAD5]`), because the tokenizer has no token for the
    row, or because they write a byte that is in no UTF-8 text.
    """
    for token_id in range(rows):
        if token_id >= tokenizer.size:
            yield token_id, "beyond"
        elif is_reserved(tokenizer, token_id):
            yield token_id, "reserved"
        elif not _IMPOSSIBLE.isdisjoint(tokenizer.piece(token_id)):
            yield token_id, "impossible"


def is_reserved(tokenizer: TextTokenizer, token_id: int) -> bool:
    """Whether a token is kept for later use, by its name."""
    name = tokenizer.name(token_id)
    return name is not None and _RESERVED.fullmatch(name) is not None


def kind_of(tokenizer: TextTokenizer, token_id: int) -> Kind:
    """What a token is: reserved by its name or without one, bytes that are no whole character, special by its flag,
    unreachable if its text is cut into other tokens wherever it stands, else ordinary.
    """
    name = tokenizer.name(token_id)
    if name is None or is_reserved(tokenizer, token_id):
        return "reserved"
    if token_id in tokenizer.special_ids:
        return "special"
    if _BYTE.fullmatch(name) or is_fragment(tokenizer.piece(token_id)):
        return "byte"
    return "ordinary" if is_reachable(tokenizer, token_id) else "unreachable"


def is_reachable(tokenizer: TextTokenizer, token_id: int) -> bool:
    """Whether the text that a token writes is read as this token: alone, after a quotation mark, or after a line."""
    text = tokenizer.piece(token_id).decode(errors="replace")
    for anchor in _ANCHORS:
        before = tokenizer.encode(anchor, special_tokens=False).ids if anchor else ()
        if tokenizer.encode(anchor + text, special_tokens=False).ids == (*before, token_id):
            return True
    return False
