"""The shape of attention, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reportgen.language import list_items, say_count, sentences
from reportgen.numerals import write_count, write_ranges
from reportgen.probing.view import SubjectView


def tell_attention(view: SubjectView) -> str:
    """How many arrays of which shape a prompt gives, and which blocks see a window alone.

    Empty without attention, and in bundles that do not hold it.
    """
    rows = view.rows("attention") if "attention" in view.outcome.tables else []
    if not rows:
        return ""
    heads = sorted({row["heads"] for row in rows})
    told = say_count(
        "parameter_census.attention",
        "On a prompt of n tokens, its attention is {count} array of {heads} × n × n (heads, queries, keys).",
        "On a prompt of n tokens, its attention is {count} arrays of {heads} × n × n (heads, queries, keys).",
        len(rows),
        heads=list_items([write_count(count) for count in heads]),
    )
    return sentences([told, *_tell_windows(rows)])


def _tell_windows(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Which blocks see how far, where they do not see all."""
    windows = sorted({row["window"] for row in rows if row["window"] is not None})
    return [
        say_count(
            "parameter_census.window",
            "Block {blocks} is local: a query sees {window} tokens, itself included.",
            "Blocks {blocks} are local: a query sees {window} tokens, itself included.",
            len(blocks),
            blocks=write_ranges(blocks),
            window=write_count(window),
        )
        for window in windows
        if (blocks := [row["block"] for row in rows if row["window"] == window])
    ]
