"""Tables as paper holds them: a wide one on a landscape page, one that is wider still in groups of columns."""

import unicodedata
from dataclasses import dataclass, replace
from itertools import pairwise

from reportgen.look.legible import make_legible
from reportgen.report.content.drawn import LANDSCAPE_WIDTH, PAPER_WIDTH
from reportgen.report.content.sheets import Sheet

CHARACTER = 1.35
"""Millimetres of a character of a table."""
BETWEEN = 2.0
"""Millimetres between two columns."""
LONGEST = 30
"""Characters after which a cell goes on in its next line."""
CAPITAL = 1.7
"""Millimetres of a character of a table, were it all in capitals; those of Chinese take two."""
WIDEST_BETWEEN = 3.5
"""Millimetres between two columns, where they are furthest apart."""


@dataclass(frozen=True)
class PaperSheet(Sheet):
    """A table, or some columns of one, that fits the width of its page."""

    landscape: bool = False

    @property
    def roomy(self) -> bool:
        """True where every row fits on one line even in capitals: then no word has to be broken.

        WeasyPrint would else set each cell letter by letter, to know how narrow it can get: a sixth of all printing.
        """
        columns = range(len(self.heads))
        return sum(self._measure_widest(column) + WIDEST_BETWEEN for column in columns) <= PAPER_WIDTH

    def _measure_widest(self, column: int) -> float:
        texts = [self.heads[column][0], *(row[column].text for row in self.rows)]
        return max(_count_halves(make_legible(text)) for text in texts) * CAPITAL


def paper_columns(count: int, heads: float, each: float, target: str = "paper") -> list[slice]:
    """A table with a column a model in as few parts as fit an upright page, about equally wide.

    On a page that scrolls it is whole.

    Args:
        count: columns other than those that are repeated in each part.
        heads: millimetres of these.
        each: millimetres of every other one.
        target: what the table stands on, `page` or `paper`.
    """
    most = max(int((PAPER_WIDTH - heads) / each), 1)
    parts = max(-(-count // most), 1) if target == "paper" else 1
    edges = [at * count // parts for at in range(parts + 1)]
    return [slice(first, last) for first, last in pairwise(edges)]


def paper_sheets(sheet: Sheet) -> list[PaperSheet]:
    """The table in one part where a page is wide enough; else in several, each with the first column again.

    What is said below a table of its left out rows stands below the last part.
    """
    widths = [_width(sheet, column) for column in range(len(sheet.heads))]
    if sum(widths) <= PAPER_WIDTH:
        return [_columns(sheet, list(range(len(widths))), landscape=False, last=True)]
    groups: list[list[int]] = [[0]]
    for column in range(1, len(widths)):
        taken = sum(widths[one] for one in groups[-1])
        if len(groups[-1]) > 1 and taken + widths[column] > LANDSCAPE_WIDTH:
            groups.append([0])
        groups[-1].append(column)
    return [_columns(sheet, group, landscape=True, last=group is groups[-1]) for group in groups]


def _width(sheet: Sheet, column: int) -> float:
    """Millimetres that a column wants."""
    head = max((len(word) for word in sheet.heads[column][0].split()), default=0)
    cells = max((len(row[column].text) for row in sheet.rows), default=0)
    return min(max(head, cells), LONGEST) * CHARACTER + BETWEEN


def _columns(sheet: Sheet, columns: list[int], *, landscape: bool, last: bool) -> PaperSheet:
    rows = [[row[column] for column in columns] for row in sheet.rows]
    heads = tuple(sheet.heads[column] for column in columns)
    part = PaperSheet(heads, rows, sheet.total, landscape)
    return part if last else replace(part, total=len(rows))


def _count_halves(text: str) -> int:
    """Characters of a text, those that are as wide as high twice."""
    return sum(1 + (unicodedata.east_asian_width(character) in "WF") for character in text)
