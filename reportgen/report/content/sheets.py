"""Tables as a report prints them: readable heads, capped rows, tokens marked as tokens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from reportgen.language import name_of, say, unit_of
from reportgen.numerals import UNDEFINED, write_depth
from reportgen.report.content import numerals
from reportgen.results.quantities import Cell, Metric, Table
from reportgen.text.characters import mark_space

Kind = Literal["number", "token", "text"]
NARROW = 100
"""Characters of a row of a narrow table."""
TOKEN_COLUMNS = ("token", "tokens", "right", "wrong", "says")


@dataclass(frozen=True)
class Entry:
    """One cell: its text, how it is set, and why it is empty where it is."""

    text: str
    kind: Kind
    note: str = ""


@dataclass(frozen=True)
class Sheet:
    """A table ready to be printed."""

    heads: tuple[tuple[str, Kind], ...]
    rows: Sequence[Sequence[Entry]]
    total: int
    """Rows there are; more than `rows` holds where the sheet is capped."""

    @property
    def left_out(self) -> int:
        """Rows that are only in the bundle."""
        return self.total - len(self.rows)

    @property
    def narrow(self) -> bool:
        """True where no row breaks into many lines: on paper two such tables may share a line, which no page splits."""
        return all(sum(len(entry.text) for entry in row) <= NARROW for row in self.rows)


def make_sheet(table: Table, most: int) -> Sheet:
    """The first `most` rows of a table."""
    kinds = [_kind(name, table.column(name)) for name in table.columns]
    rows = [
        [_entry(value, name, kind) for value, name, kind in zip(row, table.columns, kinds, strict=True)]
        for row in table.rows[:most]
    ]
    heads = tuple((name_of(name), kind) for name, kind in zip(table.columns, kinds, strict=True))
    return Sheet(heads, rows, len(table.rows))


@dataclass(frozen=True)
class MetricRow:
    """One metric of all subjects."""

    label: str
    unit: str
    definition: str
    entries: Sequence[Entry]
    """One a subject; `note` holds the reason of an undefined value, or its brief form."""
    name: str = ""
    """As the probe calls it."""
    spread: float = 0.0
    """How far apart the subjects are: largest less smallest value, as a share of the largest magnitude; 0 unless every
    subject has a value.
    """
    values: Sequence[float | None] = ()
    """(subject) the numbers that the entries tell, of a layer its share of the depth; None where it has none."""

    @property
    def missing(self) -> list[str]:
        """Why values are missing, each reason once."""
        pairs = zip(self.values, self.entries, strict=True)
        return list(dict.fromkeys(entry.note for value, entry in pairs if value is None and entry.note))

    @property
    def keys(self) -> list[str]:
        """(subject) the number that its column is sorted by; empty where there is none."""
        return ["" if value is None else repr(value) for value in self.values]

    @property
    def shares(self) -> list[float | None]:
        """(subject) where its value lies between the least, 0, and the largest, 1; None where there is none, or all
        are the same.
        """
        known = [value for value in self.values if value is not None]
        least, largest = min(known, default=0.0), max(known, default=0.0)
        if largest == least:
            return [None] * len(self.values)
        return [None if value is None else round((value - least) / (largest - least), 2) for value in self.values]


def make_metric_rows(
    metrics: Sequence[Mapping[str, Metric]], definitions: Mapping[str, str], depths: Sequence[int] = ()
) -> list[MetricRow]:
    """All metrics by name, in the order in which the subjects first name them.

    `depths`: (subject) blocks of its model. Where they differ, a layer is told and compared as a share of the depth.
    """
    names = dict.fromkeys(name for one in metrics for name in one)
    rows = []
    for name in names:
        unit = next(one[name].unit for one in metrics if name in one)
        blocks = depths if unit == "layer" and len(set(depths)) > 1 and all(depths) else [0] * len(metrics)
        entries = [_make_metric_entry(name, one.get(name), of) for one, of in zip(metrics, blocks, strict=True)]
        # "settling layer" says its unit already.
        said = name.split("_")[-1] == unit
        told = definitions.get(name, "")
        shown = "" if said else unit_of(unit)
        values = _list_values(metrics, name, blocks)
        rows.append(MetricRow(name_of(name), shown, told, entries, name, _measure_spread(values), values))
    return rows


def spell_name(name: str) -> str:
    """A column's or metric's name in words."""
    return name_of(name)


def _list_values(metrics: Sequence[Mapping[str, Metric]], name: str, blocks: Sequence[int]) -> list[float | None]:
    """(subject) the values of a metric; `blocks`: (subject) what its value is a share of, 0 where it stands for
    itself.
    """
    told = [one[name].value if name in one else None for one in metrics]
    return [value / of if value is not None and of else value for value, of in zip(told, blocks, strict=True)]


def _measure_spread(values: Sequence[float | None]) -> float:
    """As `MetricRow.spread`."""
    known = [value for value in values if value is not None]
    largest = max(map(abs, known), default=0)
    return (max(known) - min(known)) / largest if largest and len(known) == len(values) else 0.0


def _make_metric_entry(name: str, metric: Metric | None, blocks: int) -> Entry:
    if metric is None:
        return Entry(UNDEFINED, "number")
    if blocks and metric.value is not None:
        return Entry(write_depth(metric.value, blocks), "number")
    note = metric.reason if metric.value is None else numerals.abbreviate_count(metric.value)
    return Entry(numerals.of_column(metric.value, name), "number", note)


def _kind(name: str, cells: Sequence[Cell]) -> Kind:
    if name in TOKEN_COLUMNS and any(isinstance(cell, str) for cell in cells):
        return "token"
    known = [cell for cell in cells if cell is not None]
    numeric = bool(known) and all(isinstance(cell, int | float) and not isinstance(cell, bool) for cell in known)
    return "number" if numeric else "text"


def _entry(value: Cell, column: str, kind: Kind) -> Entry:
    if value is None:
        return Entry(UNDEFINED, kind)
    if isinstance(value, bool):
        return Entry(say("table.yes", "yes") if value else say("table.no", "no"), kind)
    if isinstance(value, str):
        return Entry(mark_space(value) if kind == "token" else value, kind)
    return Entry(numerals.of_column(value, column), kind)
