"""A long text cut where no token reaches across, so that it can be read a part at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reportgen.text.tokens import TextTokenizer

PART = 1_000_000
"""Characters that are cut into tokens together; a text of no more is one part."""
AROUND = 200
"""Characters on either side of a place that are looked at to see whether a token reaches across it."""
TRIED = 50
"""Places of a kind that are tried."""


def split_text(tokenizer: TextTokenizer, text: str, size: int = PART) -> Iterator[str]:
    """The parts of a text, together the text, whose tokens one after another are the text's.

    Each is of `size` characters at most; of more where no place is found to cut. In a tokenizer that puts a space
    before whatever it is given (Llama 2) there is none, and the whole is one part.
    """
    start, length = 0, size
    while len(text) - start > length:
        end = _find_seam(tokenizer, text, start + length // 2, start + length)
        if end is None:
            length *= 2
            continue
        yield text[start:end]
        start, length = end, size
    yield text[start:]


def _find_seam(tokenizer: TextTokenizer, text: str, low: int, high: int) -> int | None:
    """The place near the upper end at which a text can be cut; None where none of those that are tried can be."""
    return next((at for at in _list_places(text, low, high) if _may_cut(tokenizer, text, at)), None)


def _list_places(text: str, low: int, high: int) -> Iterator[int]:
    """Behind line ends, then before spaces, then any, each from the upper end downwards."""
    for mark, behind in (("\n", 1), (" ", 0)):
        end = high
        for _ in range(TRIED):
            at = text.rfind(mark, low, end)
            if at < 0:
                break
            yield at + behind
            end = at
    yield from range(high, max(high - TRIED, low), -1)


def _may_cut(tokenizer: TextTokenizer, text: str, at: int) -> bool:
    """Whether what stands around a place has the same tokens in one as in two."""
    left, right = text[max(at - AROUND, 0) : at], text[at : at + AROUND]
    if not left or not right:
        return False
    whole, *halves = (tokenizer.encode(one, special_tokens=False).ids for one in (left + right, left, right))
    return whole == halves[0] + halves[1]
