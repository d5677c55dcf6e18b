"""Whether the search for a pattern is bounded: nothing that may be read in several ways is repeated without end.

Patterns are a stranger's, in Oniguruma's form. What is not of the few constructs that tokenizers use is not bounded.
"""

import re
from typing import NamedTuple

LONGEST = 2_000
"""Characters of a pattern; those of published tokenizers have some hundred."""
MOST_ENDLESS = 2
"""Repetitions without end in one alternative; behind the second of them nothing may be that has to be found."""
MOST_CHOICES = 12
"""Optional parts and alternatives in one alternative: each may double the ways to read a text."""
MOST_COUNTED = 64
"""What a counted repetition may count to."""
DEEPEST = 10
_ITEM = (
    r"(?:\\[pP]\{\^?[A-Za-z_]{1,30}\}|\\x\{[0-9A-Fa-f]{1,6}\}|\\u[0-9A-Fa-f]{4}|\\[^cCMo]"
    r"|\[:\^?[a-z]{1,10}:\]|[^\[\]\\])"
)
_ATOM = re.compile(
    r"\\[pP]\{\^?[A-Za-z_]{1,30}\}|\\x\{[0-9A-Fa-f]{1,6}\}|\\u[0-9A-Fa-f]{4}|\\[^1-9cCEgGkKMoOQRXyY]"
    rf"|\[\^?{_ITEM}*+(?:\[\^?{_ITEM}*+\]{_ITEM}*+)*+\]|[^\\\[\]()|*+?{{}}]",
    re.DOTALL,
)
_REPETITION = re.compile(r"[*+][+?]?|\?[+?]?|\{(\d{0,4})(,?)(\d{0,4})\}")
_GROUP = re.compile(r"\((?:\?(?:[ims]{1,3}:|:|=|!|<=|<!|>))?(?!\?)")


class _Cost(NamedTuple):
    """What a part of a pattern holds."""

    endless: int = 0
    choices: int = 0


class _Unbounded(Exception):
    """A construct of which it is not known, or too much of one."""


def is_bounded(pattern: object) -> bool:
    """Whether the search for a pattern takes a low power of the text's length, whatever the text."""
    if not isinstance(pattern, str) or not 0 < len(pattern) <= LONGEST:
        return False
    try:
        _, at = _alternatives(pattern, 0, 0)
    except _Unbounded:
        return False
    return at == len(pattern)


def _alternatives(pattern: str, at: int, depth: int) -> tuple[_Cost, int]:
    """What the alternatives that begin here hold, and where they end."""
    if depth > DEEPEST:
        raise _Unbounded
    costs = []
    while True:
        cost, at = _sequence(pattern, at, depth)
        costs.append(cost)
        if not pattern.startswith("|", at):
            most = max(cost.choices for cost in costs)
            return _Cost(max(cost.endless for cost in costs), most + len(costs) - 1), at
        at += 1


def _sequence(pattern: str, at: int, depth: int) -> tuple[_Cost, int]:
    endless = choices = 0
    while at < len(pattern) and pattern[at] not in "|)":
        cost, end = _piece(pattern, at, depth)
        repeated = _REPETITION.match(pattern, end)
        needed = repeated is None or not _may_be_nothing(repeated)
        if endless == MOST_ENDLESS and needed:
            raise _Unbounded
        if repeated is not None:
            end = repeated.end()
            cost = _repeat_cost(cost, repeated)
            if _REPETITION.match(pattern, end):
                raise _Unbounded
        at, endless, choices = end, endless + cost.endless, choices + cost.choices
        if endless > MOST_ENDLESS or (depth and choices > MOST_CHOICES):
            raise _Unbounded
    if choices > MOST_CHOICES:
        raise _Unbounded
    return _Cost(endless, choices), at


def _may_be_nothing(repeated: "re.Match[str]") -> bool:
    return repeated.group()[0] in "*?"


def _repeat_cost(cost: _Cost, repeated: "re.Match[str]") -> _Cost:
    sign, (least, comma, most) = repeated.group()[0], repeated.groups()
    if sign == "?":
        return _Cost(cost.endless, cost.choices + 1)
    if cost != _Cost():
        raise _Unbounded
    if sign in "*+" or (comma and least and not most):
        return _Cost(endless=1)
    if not (least or most) or max(int(least or 0), int(most or 0)) > MOST_COUNTED:
        raise _Unbounded
    return _Cost(choices=1 if comma else 0)


def _piece(pattern: str, at: int, depth: int) -> tuple[_Cost, int]:
    """What a group or a character holds, and where it ends."""
    opened = _GROUP.match(pattern, at)
    if opened is None:
        atom = _ATOM.match(pattern, at)
        if atom is None:
            raise _Unbounded
        return _Cost(), atom.end()
    cost, at = _alternatives(pattern, opened.end(), depth + 1)
    if not pattern.startswith(")", at):
        raise _Unbounded
    return cost, at + 1
