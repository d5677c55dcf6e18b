"""The remedy for a name that is not known: the nearest one that is."""

from collections.abc import Iterable

NEAR = 60
"""Per cent of the letters that two names must share in order ('pfd' and 'pdf': 67)."""
LISTED = 8


def find_nearest(name: str, valid: Iterable[str], near: int = NEAR) -> str | None:
    """The valid name that a person most likely meant, or None where nothing comes near."""
    from rapidfuzz import fuzz, process  # here: most batteries are right

    folded = {one: one.casefold() for one in valid}
    found = process.extractOne(name.casefold(), folded, scorer=fuzz.ratio, score_cutoff=near)
    return found[2] if found else None


def suggestion(name: str, valid: Iterable[str]) -> str:
    """A sentence that names the nearest valid name, or the first few of them all."""
    names = list(valid)
    if not names:
        return ""
    near = find_nearest(name, names)
    if near is not None:
        return f"Did you mean '{near}'?"
    more = ", …" if len(names) > LISTED else ""
    return f"Known: {', '.join(names[:LISTED])}{more}"
