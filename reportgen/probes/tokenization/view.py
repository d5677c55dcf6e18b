"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from reportgen.language import say
from reportgen.text.scripts import script_names

SPECIAL, RESERVED, BYTES, SPACE = "special", "reserved", "bytes", "space"
DIGITS, SYMBOLS, MIXED, OTHER = "digits", "symbols", "mixed", "other script"


def kind_label(kind: str) -> str:
    """A kind of token, in the reader's language."""
    own = {
        SPECIAL: say("tokenization.special", "special"),
        RESERVED: say("tokenization.reserved", "reserved"),
        BYTES: say("tokenization.bytes", "bytes of a character"),
        SPACE: say("tokenization.space", "white space"),
        DIGITS: say("tokenization.digits", "digits"),
        SYMBOLS: say("tokenization.symbols", "symbols and punctuation"),
        MIXED: say("tokenization.mixed", "several scripts"),
        OTHER: say("tokenization.other_script", "other scripts"),
    }
    return {**script_names(), **own}[kind]
