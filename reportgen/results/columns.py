"""What the cells of a table may hold, and what columns of certain names hold in every table."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

LARGEST = 2**63 - 1
"""Of whole numbers, whichever sign."""
LONGEST = 10_000_000
"""Characters of a text."""
MOST_DEEP = 1_000_000
"""A layer, block or head beyond it is none: figures count up to the largest."""

Cells = Sequence[Any]
Kinds = set[type]
"""The types of a column's cells, None left out."""


def _are_whole(least: int, most: int) -> Callable[[Kinds, Cells], bool]:
    def held(kinds: Kinds, cells: Cells) -> bool:
        known = _drop_empty(cells)
        return kinds <= {int} and (not known or (min(known) >= least and max(known) <= most))

    return held


def _are_numbers(kinds: Kinds, cells: Cells) -> bool:
    return bool not in kinds and all(issubclass(kind, int | float) for kind in kinds)


def _are_texts(kinds: Kinds, cells: Cells) -> bool:
    return kinds <= {str}


HELD: Mapping[str, tuple[Callable[[Kinds, Cells], bool], str]] = {
    **dict.fromkeys(("layer", "block", "head"), (_are_whole(0, MOST_DEEP), "whole numbers from 0 on")),
    **dict.fromkeys(
        ("prompt", "step", "position", "token_id", "token_count"), (_are_whole(0, LARGEST), "whole numbers from 0 on")
    ),
    "rank": (_are_whole(1, LARGEST), "whole numbers from 1 on"),
    **dict.fromkeys(("probability", "similarity", "activation"), (_are_numbers, "numbers")),
    "token": (_are_texts, "text"),
}
"""Name of a column -> what its cells are in every table of every probe, where they are not empty: what reports,
comparisons and figures count on. A table with a `reason` tells in words of what could not be measured: a prompt by its
text, a head as 0.1.
"""
REASON = "reason"


def misfit(columns: Sequence[str], rows: Sequence[Cells]) -> str:
    """Why these are not the rows of a table under these columns; empty where they are."""
    if len(set(columns)) < len(columns):
        return "two columns have one name"
    if set(map(len, rows)) - {len(columns)}:
        return f"a row does not fit the columns {', '.join(columns)[:200]}"
    held = {} if REASON in columns else HELD
    told = (
        _reason_against_column(column, [row[at] for row in rows], held.get(column)) for at, column in enumerate(columns)
    )
    return next(filter(None, told), "")


def _reason_against_column(column: str, cells: Cells, held: tuple[Callable[[Kinds, Cells], bool], str] | None) -> str:
    kinds = set(map(type, cells)) - {type(None)}
    if not all(issubclass(kind, str | int | float) for kind in kinds):
        return f"a cell of the column {column[:200]} is neither text, number, true or false, nor empty"
    if _exceed_bounds(kinds, cells):
        return f"a cell of the column {column[:200]} is too large"
    if held is None or held[0](kinds, cells):
        return ""
    return f"the column {column} holds {held[1]}, and nothing else"


def _exceed_bounds(kinds: Kinds, cells: Cells) -> bool:
    """Whether a text is too long or a whole number too large."""
    texts = [cell for cell in cells if isinstance(cell, str)] if str in kinds else []
    whole = [cell for cell in cells if isinstance(cell, int)] if int in kinds else []
    too_long = bool(texts) and max(map(len, texts)) > LONGEST
    return too_long or (bool(whole) and not -LARGEST <= min(whole) <= max(whole) <= LARGEST)


def _drop_empty(cells: Cells) -> Cells:
    return [cell for cell in cells if cell is not None] if None in cells else cells
