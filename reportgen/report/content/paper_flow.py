"""In which order a section stands on paper, so that no page is left half empty before a figure that does not fit.

A figure is never split, words are: where the next figure would leave much of a page empty, the words that the page
folds away below the figures come before it. Heights are estimates; where they err, a page stays as empty as before.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reportgen.report.content.drawn import PAPER_WIDTH, PageFigure
from reportgen.report.content.sections import Absence, Row, SectionView

PAGE = 255.0
"""Millimetres between the margins of an upright page."""
GAP = 1.5
"""Millimetres between two figures."""
AROUND = 10.0
"""Millimetres of white and caption that a line of figures takes in addition to the figures themselves."""
EMPTY = 40.0
"""Millimetres that may be left at the foot of a page."""


@dataclass(frozen=True)
class Line:
    """A row of figures as far as it fits the width of a page, at the whole row's scale."""

    figures: Sequence[PageFigure]
    absences: Sequence[Absence]
    paper_scale: float
    stacked: bool = False

    @property
    def height(self) -> float:
        """Millimetres on paper, the captions included."""
        figures = max((figure.millimetres(self.paper_scale)[1] for figure in self.figures), default=0.0)
        return figures + (AROUND if self.figures else 0.0) + 12.0 * len(self.absences)


@dataclass(frozen=True)
class Flow:
    """The lines of figures before how to read them is said, those after it, and those after how they are computed."""

    first: Sequence[Line]
    read: Sequence[Line]
    computed: Sequence[Line]


def flow_sections(section: SectionView) -> Flow:
    """The order of one section, which begins on a page of its own."""
    lines = [line for row in section.rows for line in _lines(row)]
    words = [_reading(section), _computing(section)]
    stretches: list[list[Line]] = [[]]
    used = _heading(section)
    for line in lines:
        empty = PAGE - used
        if line.height > empty > EMPTY and stretches[0] and words:
            used += words.pop(0)
            used %= PAGE
            stretches.append([])
        used = used + line.height if used + line.height <= PAGE else line.height
        stretches[-1].append(line)
    stretches += [[] for _ in words]
    return Flow(*stretches)


def _lines(row: Row) -> Iterator[Line]:
    some: list[PageFigure] = []
    taken = 0.0
    for figure in row.figures:
        width = figure.millimetres(row.paper_scale)[0]
        if some and (figure.landscape or taken + width > PAPER_WIDTH):
            yield Line(some, (), row.paper_scale)
            some, taken = [], 0.0
        some.append(figure)
        taken += width + GAP
    if some or row.absences:
        yield Line(some, row.absences, row.paper_scale)


def _heading(section: SectionView) -> float:
    """Millimetres of title, kicker and statement."""
    return 16.0 + _paragraph(section.statement, 88, 5.7)


def _reading(section: SectionView) -> float:
    """Millimetres of the numbers, of what was left out, and of how to read the figures."""
    left_out = sum(10.0 + 4.0 * len(sheet.rows) for sheet in section.left_out.values())
    numbers = 10.0 + 4.5 * len(section.metrics) if section.metrics else 0.0
    said = section.explanation
    return numbers + left_out + 9.0 + _paragraph(said.shows, 120, 4.1) + _paragraph(said.read, 120, 4.1)


def _computing(section: SectionView) -> float:
    """Millimetres of how it is computed, with the definitions."""
    defined = sum(0.8 + _paragraph(f"{one.name} {one.kind} {one.text}", 125, 3.9) for one in section.definitions)
    return 9.0 + _paragraph(section.explanation.computed, 120, 4.1) + defined + 8.0


def _paragraph(text: str, line: int, height: float) -> float:
    """Millimetres of a text at so many characters a line."""
    return -(-len(text) // line) * height
