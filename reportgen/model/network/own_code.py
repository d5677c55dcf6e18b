"""What a model's own code raised, in words: a family of transformers, or a library below it, may raise anything."""

import re

from reportgen.errors import ReportgenError

_CLASS = re.compile(r"<class '(?:\w+\.)*(\w+)'>")
LONGEST = 300
"""Characters of a stranger's message that are told."""


def describe_error(error: Exception) -> str:
    """Why something failed, in one line without Python's name for it."""
    if isinstance(error, ReportgenError):
        return error.in_one_line
    if isinstance(error, MemoryError):
        return "the memory is full"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror  # without the path
    if isinstance(error, AttributeError) and error.name:
        return f"there is no {error.name!r} where it looks for it"
    told = _CLASS.sub(r"\1", next(iter(str(error).strip().splitlines()), ""))[:LONGEST]
    if isinstance(error, KeyError) and told:
        return f"there is no {told} where it looks for it"
    return told or "it does not say why"
