"""Strangers' text where it is told: on one line, with nothing in it that hides, reorders, rings or commands."""

import re
import unicodedata
from functools import cache

LONGEST = 500
"""Characters of one told text; nobody reads on in a name of 100,000 letters."""

PICTURES = {"\n": "↵", "\t": "⇥", " ": " "}
"""Characters without ink of their own, each with what stands for it."""
_HIDDEN_CATEGORIES = frozenset(["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"])
_INVISIBLE = frozenset([0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810), 0x2800, 0x3164, 0xFFA0])
"""Letters, marks and symbols that draw nothing."""
_COMMAND = re.compile(r"^(\s*):(?=:)|#(?=#\[|#vso\[)")
"""How a line begins, or what it holds, that the log of a workflow takes for a command (GitHub's `::error::` and
`##[error]`, Azure's `##vso[…]`).
"""

_OF_CODE = re.compile(r"[a-z0-9][._][a-z0-9]")
"""What a word holds that is a name of code."""


def spell_text(text: str, longest: int | None = LONGEST) -> str:
    """A stranger's text as one line of a terminal or a log, cut where it has more than `longest` characters.

    A newline becomes ↵, a tab ⇥, what is invisible, malformed or unassigned `<U+200B>`. Spelling it twice changes
    nothing.
    """
    if longest is not None:
        text = text[: longest + 1]  # before it is looked at, character by character
    if not (text.isascii() and text.isprintable()):
        text = "".join(map(spell_character, text))
    text = _COMMAND.sub(_spell_command, text)
    return text if longest is None or len(text) <= longest else f"{text[: longest - 1]}…"


def capitalize_first(text: str) -> str:
    """A text as the beginning of a sentence; the rest stays as it is, and so does a name from code: "model.norm"."""
    first = text.split(maxsplit=1)[:1]
    return text if first and _OF_CODE.search(first[0]) else text[:1].upper() + text[1:]


def code_point(character: str) -> str:
    """`<U+200B>`."""
    return f"<U+{ord(character):04X}>"


@cache
def spell_character(character: str) -> str:
    """The character itself where it can be seen, else what stands for it."""
    if character in PICTURES:
        return PICTURES[character]
    return code_point(character) if is_hidden(character) else character


def is_hidden(character: str) -> bool:
    """Whether a character shows nothing of itself, or moves its neighbours."""
    invisible = unicodedata.category(character) in _HIDDEN_CATEGORIES or ord(character) in _INVISIBLE
    return invisible or unicodedata.name(character, "").startswith("VARIATION SELECTOR")


def _spell_command(found: re.Match[str]) -> str:
    return f"{found[1] or ''}{code_point(found[0][-1])}"
