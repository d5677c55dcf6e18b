"""Drawn figures as the page and the paper take them: the same ink, a flavour each."""

import base64
import html as markup
import re
from collections.abc import Mapping
from dataclasses import dataclass

from reportgen.figures.describe import (
    Arcs,
    AttentionHead,
    Curves,
    Figure,
    HeadMosaic,
    HeatMap,
    Maps,
    Rankings,
    Timelines,
    TokenGrid,
)
from reportgen.figures.svg_tags import replace_in_tags
from reportgen.look import model_styles as style
from reportgen.look.theme import PAPER
from reportgen.results.section import SUBJECT

POINTS_TO_PIXELS = 4 / 3
MILLIMETRES_A_POINT = 25.4 / 72
WIDEST_BESIDE = 660
"""Pixels: a wider figure gets the page's whole width, as half of it would take more than a third of its size."""
PAPER_WIDTH = 174.0
"""Millimetres between the margins of an upright page."""
PAPER_HEIGHT = 200.0
"""Millimetres a figure may take of an upright page's 253, so that title and caption stand with it."""
HALF_WIDTH = 86.0
SMALLEST = 0.85
"""A figure is not made smaller than this to stand next to another: its text would fall below 7 points."""
LANDSCAPE_WIDTH = 261.0
LANDSCAPE_HEIGHT = 135.0
CSS_INK = {
    style.INK: "var(--ink)",
    style.MUTED: "var(--muted)",
    style.FAINT: "var(--faint)",
    style.PAPER: "var(--paper)",
}

NO_PAINTS: Mapping[str, str] = {}


def models_of(subject: str) -> str:
    """Ids of the models that a subject is about, with a space between them."""
    return subject.replace(SUBJECT, " ")


@dataclass(frozen=True)
class PageFigure:
    """A figure's description, the stem of its files in `figures/`, and its SVG with the sentinel inks of `style`."""

    description: Figure
    file_stem: str
    svg: str
    data: str = ""
    """Its CSV as `figure_data.pack_csv` gives it, where the page carries it."""
    data_left_out: bool = False
    """True where the page would be too large with its data."""
    left_out: bool = False
    """True where the page would be too large with its picture."""
    thumbnail: str = ""
    """The SVG of a small drawing of it, where it is among the findings that a page begins with."""

    @property
    def models(self) -> str:
        """Ids of the models it shows, with spaces between them."""
        return " ".join(map(models_of, self.description.subject))

    @property
    def size(self) -> tuple[float, float]:
        """(width, height) in points."""
        box = re.search(r'\bviewBox="([^"]+)"', self.svg)
        if box is None:
            raise ValueError(f"{self.file_stem}: an SVG without a viewBox")
        _, _, width, height = map(float, box[1].split())
        return width, height

    @property
    def pixels(self) -> int:
        """Natural width on screen."""
        return round(self.size[0] * POINTS_TO_PIXELS)

    @property
    def wide(self) -> bool:
        """True where half a page would make its text too small."""
        return self.pixels > WIDEST_BESIDE

    @property
    def on_plate(self) -> bool:
        """True where fills mean light = 0: such a figure keeps its light ground in dark mode."""
        return isinstance(self.description, TokenGrid | HeadMosaic | AttentionHead | HeatMap)

    @property
    def landscape(self) -> bool:
        """True where an upright page would shrink it by more than a third."""
        return self.size[0] * MILLIMETRES_A_POINT > PAPER_WIDTH * 1.5

    def millimetres(self, most: float = 1.0) -> tuple[float, float]:
        """(width, height) on paper: `most` times the natural size, or what fits the page."""
        width, height = (length * MILLIMETRES_A_POINT for length in self.size)
        widest, highest = (LANDSCAPE_WIDTH, LANDSCAPE_HEIGHT) if self.landscape else (PAPER_WIDTH, PAPER_HEIGHT)
        scale = min(most, widest / width, highest / height)
        return round(width * scale, 2), round(height * scale, 2)

    def inline(self, paints: Mapping[str, str] = NO_PAINTS) -> str:
        """The SVG element for a page, its inks as CSS variables.

        `paints`: colour of a model or group -> what stands in its place, where no text is set on it.
        """
        return self._set_inks(_get_element(self.svg), paints)

    def inline_thumbnail(self, paints: Mapping[str, str] = NO_PAINTS) -> str:
        """The same of the small drawing, which is read aloud and pointed at by nobody: the link says what it is."""
        bare = re.sub(r"<title\b.*?</title>\s*<desc\b.*?</desc>\s*", "", _get_element(self.thumbnail), flags=re.DOTALL)
        told = r'^<svg(?: (?:data-kind|data-frames|role|aria-labelledby)="[^"]*")*'
        return self._set_inks(re.sub(told, '<svg aria-hidden="true" focusable="false"', bare), paints)

    def data_uri(self, inks: Mapping[str, str] = NO_PAINTS) -> str:
        """The SVG for paper, its inks as they are, or those of a theme by name."""
        # WeasyPrint takes a space before a family for a part of its name, and then a font of the system's.
        element = replace_in_tags("(?<='),\\s+(?=')", ",", _get_element(self.svg))
        own = {getattr(PAPER, name): ink for name, ink in inks.items()}
        return "data:image/svg+xml;base64," + base64.b64encode(_replace_colours(element, own).encode()).decode()

    def _set_inks(self, element: str, paints: Mapping[str, str]) -> str:
        coloured = isinstance(self.description, Arcs | Curves | Maps | Rankings | Timelines)
        return _replace_colours(element, {**CSS_INK, **(paints if coloured else {})})

    @property
    def characters(self) -> str:
        """Every character that is set as text: the fonts must hold what the encoded picture shows to nobody."""
        texts = re.findall(r"<(?:text|tspan)\b[^>]*>([^<]*)", self.svg)
        return "".join(sorted(set(markup.unescape("".join(texts)))))


def _get_element(svg: str) -> str:
    """The SVG without its prolog: HTML has none, and WeasyPrint refuses the document type."""
    return svg[svg.index("<svg") :].strip()


def _replace_colours(element: str, colours: Mapping[str, str]) -> str:
    """The element with colours, by what they are, as what is to stand in their places; texts stay."""
    for colour, own in colours.items():
        if colour != own:
            element = replace_in_tags(re.escape(colour), own, element, re.IGNORECASE)
    return element
