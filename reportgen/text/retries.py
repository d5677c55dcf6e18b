"""Emoji that are tried again: another one written after a wrong one, and whether a word takes the first back."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from reportgen.text.characters import Character, characters

WITHIN = 16
"""Tokens between an emoji and the next, at most, for the one to be tried again with the other."""
_FORM = "\N{VARIATION SELECTOR-16}"
_TAKES_BACK = re.compile(
    r"\b(?:wait|no|not|isn['’]t|actually|sorry|oops|mistake|wrong|instead)\b"
    r"|等等|等一下|不對|不对|不是|抱歉|對不起|对不起|其實|其实|錯了|错了",
    re.IGNORECASE,
)
"""Words after an emoji that take it back."""


@dataclass(frozen=True)
class Retry:
    """An emoji written after a wrong one."""

    wrong: Character
    again: Character
    takes_back: str
    """The word between them that takes the first back: then it is a self-correction. Empty where there is none."""

    @property
    def between(self) -> int:
        """Whole tokens between the two."""
        return max(self.again.first - self.wrong.last - 1, 0)


def find_retries(pieces: Sequence[bytes], right: Collection[str] = (), start: int = 0) -> list[Retry]:
    """The retries in what tokens, given as their bytes, write one after another.

    A retry is an emoji that follows a wrong one with at most `WITHIN` tokens between: another emoji on the same line,
    or any at all after a word that takes the first back ("wait", "不對"). The next entry of a list, which stands on a
    line of its own, is none. Right are the emoji of `right`, whatever their form; all others are wrong.

    Args:
        pieces: (token) the bytes that each writes.
        right: what would have been an answer.
        start: the first token that is looked at: those before it are the prompt's.
    """
    known = {one.replace(_FORM, "") for one in right}
    emoji = [one for one in characters(pieces) if one.kind == "emoji" and one.last >= start]
    return [
        retry
        for wrong, again in pairwise(emoji)
        if wrong.text.replace(_FORM, "") not in known
        for retry in _look_between(pieces, wrong, again)
    ]


def _look_between(pieces: Sequence[bytes], wrong: Character, again: Character) -> Iterator[Retry]:
    """The retry that the second emoji is, if it is one."""
    text = b"".join(pieces[wrong.last + 1 : again.first]).decode(errors="replace")
    word = _TAKES_BACK.search(text)
    retry = Retry(wrong, again, word[0] if word else "")
    if retry.between <= WITHIN and (word or (again.text != wrong.text and "\n" not in text)):
        yield retry
