"""The prompts of a section as each model reads them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reportgen.results.quantities import Outcome, Table

TABLE = "prompts"
"""By convention the table of every probe that has prompts."""
COLUMNS = ("prompt", "text", "tokens", "token_count")
"""Its columns; a table of that name with others is not of prompts."""


@dataclass(frozen=True)
class Reading:
    """One prompt in one model's tokens."""

    tokens: str
    count: int | None
    """None where this model was not given the prompt."""


@dataclass(frozen=True)
class PromptLine:
    """One prompt, and a reading a subject."""

    index: int
    text: str
    readings: Sequence[Reading]


@dataclass(frozen=True)
class PromptSheet:
    """All prompts of a section."""

    subjects: Sequence[str]
    lines: Sequence[PromptLine]
    total: int


def make_prompt_sheet(ok: Mapping[str, Outcome], most: int) -> PromptSheet | None:
    """The first `most` prompts that the outcomes were measured on; None where there are none."""
    found = {subject: outcome.tables[TABLE] for subject, outcome in ok.items() if TABLE in outcome.tables}
    tables = {subject: table for subject, table in found.items() if set(COLUMNS) <= set(table.columns)}
    texts = {index: text for table in tables.values() for index, text in _column(table, "text").items()}
    if not texts:
        return None
    tokens = [_column(table, "tokens") for table in tables.values()]
    counts = [_column(table, "token_count") for table in tables.values()]
    lines = [
        PromptLine(i, text, [Reading(t.get(i, ""), c.get(i)) for t, c in zip(tokens, counts, strict=True)])
        for i, text in sorted(texts.items())[:most]
    ]
    return PromptSheet(list(tables), lines, len(texts))


def _column(table: Table, name: str) -> dict[int, Any]:
    cells = zip(table.column("prompt"), table.column(name), strict=True)
    return {index: cell for index, cell in cells if index is not None}
