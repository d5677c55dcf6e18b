"""Which script a text is written in."""

import re
import unicodedata
from collections.abc import Mapping

from reportgen.language import say

BYTES = re.compile(r"<[0-9A-F]{2}(?: [0-9A-F]{2})*>")
"""How a token of bytes that are no whole character is shown."""

_BY_FIRST_WORD: Mapping[str, str] = {
    "LATIN": "latin",
    "FULLWIDTH": "latin",
    "CJK": "han",
    "HIRAGANA": "kana",
    "KATAKANA": "kana",
    "HANGUL": "hangul",
    "CYRILLIC": "cyrillic",
    "GREEK": "greek",
    "ARABIC": "arabic",
    "HEBREW": "hebrew",
    "DEVANAGARI": "devanagari",
    "BENGALI": "bengali",
    "TAMIL": "tamil",
    "TELUGU": "telugu",
    "THAI": "thai",
    "GEORGIAN": "georgian",
    "ARMENIAN": "armenian",
}
"""First word of a letter's name in Unicode -> its script."""


def script_of(text: str) -> str | None:
    """The script of a text's letters, one of `script_names()`; None where it has none, or of several scripts."""
    if BYTES.fullmatch(text):
        return None
    letters = (unicodedata.name(letter, "").partition(" ")[0] for letter in text if letter.isalpha())
    found = {_BY_FIRST_WORD.get(word) for word in letters}
    return found.pop() if len(found) == 1 else None


def script_names() -> dict[str, str]:
    """Script -> its name, in the spoken language."""
    return {
        "latin": say("script.latin", "Latin letters"),
        "han": say("script.han", "Chinese characters"),
        "kana": say("script.kana", "Japanese kana"),
        "hangul": say("script.hangul", "Korean Hangul"),
        "cyrillic": say("script.cyrillic", "Cyrillic letters"),
        "greek": say("script.greek", "Greek letters"),
        "arabic": say("script.arabic", "Arabic letters"),
        "hebrew": say("script.hebrew", "Hebrew letters"),
        "devanagari": say("script.devanagari", "Devanagari"),
        "bengali": say("script.bengali", "Bengali letters"),
        "tamil": say("script.tamil", "Tamil letters"),
        "telugu": say("script.telugu", "Telugu letters"),
        "thai": say("script.thai", "Thai letters"),
        "georgian": say("script.georgian", "Georgian letters"),
        "armenian": say("script.armenian", "Armenian letters"),
    }
