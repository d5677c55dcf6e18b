"""What slides are made of: pictures, what is said of them, and their order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reportgen.look.theme import Theme
from reportgen.report.content.bundle_figures import DrawnFigure
from reportgen.report.content.drawn import PageFigure

if TYPE_CHECKING:
    from reportgen.figures.draw import SvgText

Size = tuple[float, float]
"""(width, height) in points."""


@dataclass(frozen=True)
class Picture:
    """One drawing on a slide."""

    figure: DrawnFigure
    name: str
    """The models it shows: what stands above it where there are several."""
    size: Size
    """Points, natural."""
    text: float
    """Points of its smallest text, at its natural size."""

    @property
    def alt(self) -> str:
        """What a person who cannot see it is told."""
        return self.figure.description.alt

    def make_page_figure(self, text: SvgText) -> PageFigure:
        """Its SVG."""
        return PageFigure(self.figure.description, self.figure.stem, self.figure.drawing.svg(text))


@dataclass(frozen=True)
class Slide:
    """One slide: what it is called, what to see on it, and what its speaker knows in addition."""

    title: str
    sentence: str
    """What to see."""
    remark: str = ""
    """What its author says of it, where that is short."""
    kicker: str = ""
    """The question that the section asks."""
    pictures: Sequence[Picture] = ()
    """One figure, or that of several models side by side; none on the title slide and where all failed."""
    definition: str = ""
    notes: Sequence[str] = ()
    """A paragraph each."""

    @property
    def alt(self) -> str:
        """What a person who cannot see the pictures is told."""
        return " ".join(picture.alt for picture in self.pictures)


@dataclass(frozen=True)
class Deck:
    """A title slide, then the slides of every section in the report's order."""

    title: str
    models: Sequence[str]
    """A line each: name and facts."""
    slides: Sequence[Slide]
    theme: Theme
    """Its inks, and its ground."""
