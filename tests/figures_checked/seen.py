"""Every figure that the outputs of a bundle draw, with the box of each of its texts; and the deck of its slides."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.text import Text

from reportgen.figures import draw as drawing_room
from reportgen.figures.describe import Figure
from reportgen.figures.draw.drawing import Drawing, matplotlib_settings
from reportgen.figures.draw.lettering import Lettering
from reportgen.look.fonts import Typefaces
from reportgen.look.presentation import Presentation
from reportgen.look.theme import Theme
from reportgen.outputs.make import write_outputs
from reportgen.report import document
from reportgen.report.slides import deck as decks
from reportgen.report.slides.slide import Deck
from reportgen.results.bundle import Bundle
from tests.printers import PrintsNothing

POINTS_AN_INCH = 72
FORMATS = ("html", "pdf", "figures", "slides")
"""slides.pptx shows the same deck as slides.pdf."""
Box = tuple[float, float, float, float]
"""(left, top, right, bottom) in points from the upper left corner of the picture."""


@dataclass(frozen=True)
class DrawnText:
    """A text of a picture, and the box of its ink: an em of the typeface is higher than its letters."""

    text: str
    box: Box
    size: float
    """Points of its letters."""


@dataclass(frozen=True)
class SeenFigure:
    """A figure as it was drawn."""

    description: Figure
    theme: Theme
    width: float
    height: float
    texts: Sequence[DrawnText]
    frames: Sequence[dict[str, Any]]
    """The areas in which it plots numbers: see `Canvas.frame`."""

    @property
    def place(self) -> str:
        """Which figure it is, and how it was drawn, for a message."""
        of = self.description
        return f"{'+'.join(of.subject)}/{of.name} in {self.theme.name} at {self.width:.0f} points"


@dataclass
class SeenOutputs:
    """What the outputs of a bundle show."""

    figures: list[SeenFigure] = field(default_factory=list)
    decks: list[Deck] = field(default_factory=list)


def see_outputs(bundle: Bundle, presentation: Presentation) -> SeenOutputs:
    """All figures that the page, the paper, the slides and the figure files draw, and the deck.

    They are made as always, but that the pictures are painted and never inked, and that nothing is printed.
    """
    seen = SeenOutputs()
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing_room, "draw", _see_drawn(seen.figures))
        patch.setattr(decks, "build_deck", _see_deck(seen.decks))
        patch.setattr(document, "Printer", PrintsNothing)
        write_outputs(bundle, Path(folder), FORMATS, presentation=presentation, cache=False)
    return seen


def measure_figure(description: Figure, drawing: Drawing, theme: Theme, typefaces: Typefaces) -> SeenFigure:
    """A drawing's texts in their boxes."""
    sheet = drawing._figure
    sheet.dpi = POINTS_AN_INCH
    width, height = drawing.width_inches * POINTS_AN_INCH, drawing.height_inches * POINTS_AN_INCH
    written = [one for plane in sheet.axes for one in plane.get_children() if isinstance(one, Text) and one.get_text()]
    with _measuring(typefaces) as renderer:
        texts = [_measure_text(text, renderer, height) for text in written]
    return SeenFigure(description, theme, width, height, texts, drawing._frames)


@contextmanager
def _measuring(typefaces: Typefaces) -> Iterator[RendererAgg]:
    with matplotlib_settings(typefaces):
        Lettering(typefaces)  # registers them
        yield RendererAgg(1, 1, POINTS_AN_INCH)


def _measure_text(text: Text, renderer: RendererAgg, height: float) -> DrawnText:
    """Its ink: along the line what it takes, across it what reaches up from the base line and down."""
    assert text.get_va() == "center_baseline"
    assert text.get_rotation() in (0, 90)
    content = text.get_text()
    _, high, down = renderer.get_text_width_height_descent(content, text.get_fontproperties(), False)
    extent = text.get_window_extent(renderer)
    x, y = text.get_transform().transform(text.get_unitless_position())
    # The text stands at half of the ascent that the line has: its base line is as far on the other side.
    if text.get_rotation() == 0:
        line = 2 * y - extent.y1
        box = (extent.x0, height - (line - down + high), extent.x1, height - (line - down))
    else:
        line = 2 * x - extent.x0
        box = (line + down - high, height - extent.y1, line + down, height - extent.y0)
    return DrawnText(content, box, float(text.get_fontsize()))


def _see_drawn(seen: list[SeenFigure]) -> Any:
    draw = drawing_room.draw

    def draw_and_see(figure: Figure, **asked: Any) -> "_Uninked":
        drawing = draw(figure, **asked)
        seen.append(measure_figure(figure, drawing, asked["theme"], asked["typefaces"]))
        return _Uninked(drawing)

    return draw_and_see


def _see_deck(seen: list[Deck]) -> Any:
    build = decks.build_deck

    def build_and_see(*given: Any, **asked: Any) -> Deck:
        seen.append(build(*given, **asked))
        return seen[-1]

    return build_and_see


class _Uninked:
    """What an output takes for a drawing: as large, and empty."""

    def __init__(self, drawing: Drawing) -> None:
        self.width_inches, self.height_inches = drawing.width_inches, drawing.height_inches

    def svg(self, text: str = "paths") -> str:
        wide, high = (round(inches * POINTS_AN_INCH, 3) for inches in (self.width_inches, self.height_inches))
        return f'<svg role="img" width="{wide}pt" height="{high}pt" viewBox="0 0 {wide} {high}"></svg>'

    def png(self, dpi: float = 1, *, pixels: int | None = None) -> bytes:
        return b""

    def pdf(self) -> bytes:
        return b""
