"""Names with numbers that are known of them, read from a CSV file: what is wrong with it is told before any pass."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reportgen.documents.problem import Problem, describe_value
from reportgen.documents.regular_file import MEGABYTE, read_regular_text
from reportgen.errors import Mistake
from reportgen.numerals import count_items, write_setting
from reportgen.resources import PACKAGE
from reportgen.suggest import suggestion
from reportgen.text.prompts import PromptsError

MOST_BYTES = 20 * MEGABYTE
LARGEST = 1e15
"""Number whose square is still one."""
MISTAKES = 10
"""Mistakes of one file that are told: a column in another format is wrong in every line."""
LATITUDES, LONGITUDES = ("latitude", "lat"), ("longitude", "lon", "lng", "long")
"""What columns of degrees on the globe are called, whatever their capitals."""


@dataclass(frozen=True)
class Columns:
    """What each column of a sheet is for."""

    numbers: tuple[str, ...]
    """What is read from the names."""
    name: str | None = None
    """None for the first."""
    group: str | None = None
    """What names have in common that are left out together."""
    colour: str | None = None
    """What gives a name its colour on the map."""

    @property
    def globe(self) -> tuple[int, int] | None:
        """Places of the latitude and the longitude among `numbers`, where these are all that is read."""
        folded = [number.casefold() for number in self.numbers]
        latitudes = [at for at, one in enumerate(folded) if one in LATITUDES]
        longitudes = [at for at, one in enumerate(folded) if one in LONGITUDES]
        return (latitudes[0], longitudes[0]) if len(latitudes) == len(longitudes) == 1 and len(folded) == 2 else None


BUILT_IN: Mapping[str, tuple[Path, Columns]] = {
    "cities": (
        PACKAGE / "data" / "cities.csv",
        Columns(("latitude", "longitude"), "name", "country", "continent"),
    ),
    "events": (PACKAGE / "data" / "events.csv", Columns(("year",), "name", "kind", "kind")),
}
"""Sheets that ship with the code, and what their columns are for where nothing else is asked."""


@dataclass(frozen=True)
class Entity:
    """One row."""

    name: str
    numbers: tuple[float, ...]
    group: str
    colour: str


def read_sheet(file: Path, columns: Columns, most: int | None = None) -> tuple[Entity, ...]:
    """The rows of a file, of the first so many.

    Raises:
        PromptsError: the options name a column that it does not have, or the file has mistakes: each with its line.
    """
    reader = csv.reader(io.StringIO(_read_text(file), newline=""))
    try:
        heading = [cell.strip() for cell in next(reader, [])]
        _check_heading(heading, columns, file)
        name = columns.name or heading[0]
        wanted = {column: heading.index(column) for column in (name, *columns.numbers, *_labels(columns))}
        reading = _Reading(file, columns, name, wanted, len(heading))
        rows = [row for row in reading.read_rows(reader, most) if row is not None]
    except csv.Error as error:
        raise _refuse(Mistake(f"not CSV: {error}", "", file, max(reader.line_num, 1))) from error
    if reading.mistakes:
        raise _refuse(*reading.mistakes[:MISTAKES])
    for at, column in enumerate(columns.numbers):
        if len({row.numbers[at] for row in rows}) == 1:
            same = write_setting(rows[0].numbers[at])
            told = f"{describe_value(column)} is {same} in every row: there is nothing to be read"
            raise _refuse(Mistake(told, "Name another column.", file, 2))
    if columns.group is not None and len({row.group for row in rows}) == 1:
        same = describe_value(rows[0].group)
        told = f"{describe_value(columns.group)} is {same} in every row: no name is of another group"
        raise _refuse(Mistake(told, "Name another column, or no group.", file, 2))
    return tuple(rows)


class _Reading:
    """Collects the mistakes of a file while its rows are read."""

    def __init__(self, file: Path, columns: Columns, name: str, wanted: Mapping[str, int], width: int) -> None:
        self.file, self.columns, self.name, self.wanted, self.width = file, columns, name, wanted, width
        self.mistakes: list[Mistake] = []
        self.lines: dict[str, int] = {}
        """Name -> the line on which it stands."""

    def read_rows(self, reader: Iterator[list[str]], most: int | None) -> Iterator[Entity | None]:
        """Each row; None for one with a mistake."""
        count = 0
        for cells in reader:
            line: int = reader.line_num  # type: ignore[attr-defined]  # csv's own reader, whose type has no name
            if not any(cell.strip() for cell in cells):
                continue
            if count == most:
                return
            count += 1
            yield self._read_row([cell.strip() for cell in cells], line)

    def _read_row(self, cells: Sequence[str], line: int) -> Entity | None:
        if len(cells) != self.width:
            remedy = "Put quotes around a cell with a comma."
            told = f"found {count_items(len(cells), 'cell')}, expected {self.width} as in the heading"
            self._note(told, remedy, line)
            return None
        row = {column: cells[at] for column, at in self.wanted.items()}
        name = row[self.name]
        if not name:
            self._note(f"{describe_value(self.name)} is empty", "", line)
            return None
        if (first := self.lines.setdefault(name, line)) != line:
            told = f"the name {describe_value(name)} stands in line {first} already"
            self._note(told, "A name alone could not say which is meant: keep one of them.", line)
            return None
        numbers = [self._read_number(column, row[column], line) for column in self.columns.numbers]
        known = tuple(number for number in numbers if number is not None)
        if len(known) < len(numbers):
            return None
        return Entity(name, known, row.get(self.columns.group or "", ""), row.get(self.columns.colour or "", ""))

    def _read_number(self, column: str, cell: str, line: int) -> float | None:
        try:
            number = float(cell)
        except ValueError:
            number = math.nan
        if not abs(number) <= LARGEST:
            self._note(f"{column}: expected a number, found {describe_value(cell)}", "", line)
            return None
        most = self._find_most(column)
        if abs(number) > most:
            ends = f"{write_setting(-most)} to {write_setting(most)}"
            told = f"{column}: {write_setting(number)} is not on the globe, which goes from {ends} degrees"
            self._note(told, "", line)
            return None
        return number

    def _find_most(self, column: str) -> float:
        if self.columns.globe is None:
            return math.inf
        return 90.0 if column.casefold() in LATITUDES else 180.0

    def _note(self, told: str, remedy: str, line: int) -> None:
        self.mistakes.append(Mistake(told, remedy, self.file, line))


def _labels(columns: Columns) -> list[str]:
    return [column for column in (columns.group, columns.colour) if column is not None]


def _check_heading(heading: Sequence[str], columns: Columns, file: Path) -> None:
    """Refuses a heading that names a column twice, and options that name one that is not there."""
    twice = [column for column in dict.fromkeys(heading) if heading.count(column) > 1]
    if twice:
        raise _refuse(Mistake(f"the heading names {describe_value(twice[0])} twice", "", file, 1))
    if not any(heading):
        raise _refuse(Mistake("the file is empty", "Its first line names the columns.", file, 1))
    asked = [("columns", column) for column in columns.numbers]
    asked += [(key, value) for key in ("name", "group", "colour") if (value := getattr(columns, key)) is not None]
    missing = {column: key for key, column in reversed(asked) if column not in heading}  # a colour may be the group
    if missing:
        raise PromptsError(
            *(
                Problem((key,), f"{file.name} has no column {describe_value(column)}", suggestion(column, heading))
                for column, key in missing.items()
            )
        )


def _refuse(*mistakes: Mistake) -> PromptsError:
    return PromptsError(elsewhere=mistakes)


def _read_text(file: Path) -> str:
    try:
        return read_regular_text(file, MOST_BYTES)
    except UnicodeDecodeError as error:
        raise _refuse(Mistake("not UTF-8 text", "Save the file with UTF-8 encoding.", file)) from error
    except OSError as error:
        raise _refuse(Mistake(f"the names cannot be read: {error.strerror}", "", file)) from error
