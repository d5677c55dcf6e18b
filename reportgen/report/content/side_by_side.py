"""The same rows of all subjects in one table, so that a reader can sort them by any of its columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reportgen.language import name_of
from reportgen.numerals import UNDEFINED
from reportgen.probing.probe import prompt_labels
from reportgen.report.content.sheets import Entry, Kind, make_sheet
from reportgen.results.quantities import Cell, Outcome, Table

ROW = "prompt"
"""The column that says which row is which."""


@dataclass(frozen=True)
class Compared:
    """One cell: what is shown, and the number that its column is sorted by; empty if it is sorted as text."""

    entry: Entry
    key: str


@dataclass(frozen=True)
class SideBySide:
    """A line a prompt, and the same columns of each subject."""

    subjects: tuple[str, ...]
    heads: Sequence[tuple[str, Kind]]
    """The columns of one subject."""
    lines: Sequence[tuple[str, Sequence[Compared]]]
    """What a prompt is called, and its cells: those of the first subject, then of the next."""


def lay_side_by_side(ok: Mapping[str, Outcome], beside: tuple[str, Sequence[str]] | None) -> SideBySide | None:
    """The table of this name of all subjects, if there are several that have it."""
    if beside is None:
        return None
    name, columns = beside
    tables = {subject: outcome.tables[name] for subject, outcome in ok.items() if name in outcome.tables}
    if len(tables) < 2 or not all({ROW, *columns} <= set(table.columns) for table in tables.values()):
        return None
    parts = {subject: _part(table, columns) for subject, table in tables.items()}
    labels = prompt_labels(next(iter(ok.values())))
    heads = [(name_of(column), _kind_of(column, tables)) for column in columns]
    nothing = [Compared(Entry(UNDEFINED, kind), "") for _, kind in heads]
    asked = sorted({row for part in parts.values() for row in part})
    return SideBySide(
        tuple(tables),
        heads,
        [(labels[row], [cell for part in parts.values() for cell in part.get(row, nothing)]) for row in asked],
    )


def _kind_of(column: str, tables: Mapping[str, Table]) -> Kind:
    cells: list[list[Cell]] = [[cell] for table in tables.values() for cell in table.column(column)]
    return make_sheet(Table((column,), cells), 0).heads[0][1]


def _part(table: Table, columns: Sequence[str]) -> dict[int, list[Compared]]:
    """Prompt -> the cells of some columns."""
    places = [table.columns.index(column) for column in columns]
    chosen: list[list[Cell]] = [[row[at] for at in places] for row in table.rows]
    shown = make_sheet(Table(tuple(columns), chosen), len(chosen)).rows
    rows = zip(table.column(ROW), shown, chosen, strict=True)
    return {
        int(row): [Compared(entry, _key_of(cell)) for entry, cell in zip(entries, cells, strict=True)]
        for row, entries, cells in rows
    }


def _key_of(cell: Cell) -> str:
    return "" if cell is None or isinstance(cell, str) else repr(float(cell))
