"""Figures painted straight into a PDF, in a fraction of the time that WeasyPrint takes over an SVG.

WeasyPrint sets the text of an SVG letter by letter and without kerning, and reads every shape as if it were anybody's.
Ours are said in few words: these are painted here, each text as one line. Whatever is said in another word, such as a
logo, stays WeasyPrint's.
"""

import base64
from functools import cache
from math import inf
from typing import Any

from tinycss2.color5 import parse_color
from weasyprint import DEFAULT_OPTIONS
from weasyprint.css.properties import INITIAL_VALUES
from weasyprint.draw.text import draw_emojis, draw_first_line
from weasyprint.images import get_image_from_uri
from weasyprint.matrix import Matrix
from weasyprint.svg.text import Style, TextBox
from weasyprint.text.ffi import FROM_UNITS, pango
from weasyprint.text.line_break import create_layout

from reportgen.report.paper.figure_words import (
    Group,
    Ink,
    Line,
    Picture,
    Piece,
    Raster,
    Shape,
    Stroke,
    UnknownWord,
    read_picture,
)

SVG_URI = "data:image/svg+xml;base64,"
PIXELS_A_POINT = 4 / 3


class Pictures(dict[str, Any]):
    """WeasyPrint's cache of pictures by their addresses, in which it finds our figures before it reads them itself."""

    def __init__(self, font_config: Any, fetcher: Any) -> None:
        """`font_config` and `fetcher`: those of the document, which its figures' text and images come by."""
        super().__init__()
        self.font_config, self._fetcher = font_config, fetcher
        self._foreign: set[object] = set()

    def __contains__(self, address: object) -> bool:
        if super().__contains__(address):
            return True
        if isinstance(address, str) and address.startswith(SVG_URI) and address not in self._foreign:
            try:
                self[address] = PaintedFigure(read_picture(base64.b64decode(address[len(SVG_URI) :])), self)
            except UnknownWord:
                self._foreign.add(address)
        return super().__contains__(address)

    def load_raster(self, address: str) -> Any:
        """WeasyPrint's own picture of pixels; None where it cannot be read, which it has complained of."""
        return get_image_from_uri(self, self._fetcher, DEFAULT_OPTIONS, address, "image/*")


class PaintedFigure:
    """A figure as WeasyPrint asks for a picture: its size, and to be drawn onto a page."""

    def __init__(self, picture: Picture, pictures: Pictures) -> None:
        self._picture, self._pictures = picture, pictures

    def get_intrinsic_size(self, _resolution: float, _font_size: float) -> tuple[float, float, float]:
        """Width and height in pixels of CSS, and their ratio."""
        *_, width, height = self._picture.box
        return width * PIXELS_A_POINT, height * PIXELS_A_POINT, width / height

    def draw(self, stream: Any, width: float, height: float, _style: Any) -> None:
        """Paints the figure into a box of this size at the origin of a page's stream."""
        _fit(stream, self._picture.box, width, height)
        painter = _Painter(stream, self._pictures)
        for piece in self._picture.pieces:
            painter.paint(piece)


def _fit(stream: Any, box: tuple[float, float, float, float], width: float, height: float) -> None:
    """Has what fills a box fill one of this size at the origin, or its middle where it has another form."""
    left, top, own_width, own_height = box
    scale = min(width / own_width, height / own_height)
    across, down = (width - own_width * scale) / 2 - left * scale, (height - own_height * scale) / 2 - top * scale
    stream.transform(a=scale, d=scale, e=across, f=down)


class _Painter:
    """One figure under way on one page."""

    def __init__(self, stream: Any, pictures: Pictures) -> None:
        self._stream, self._pictures = stream, pictures

    def paint(self, piece: Piece) -> None:
        """Puts a piece over what is there."""
        if isinstance(piece, Shape):
            self._paint_shape(piece)
        elif isinstance(piece, Line):
            self._set_line(piece)
        elif isinstance(piece, Raster):
            self._place_raster(piece)
        else:
            self._paint_group(piece)

    def _paint_group(self, group: Group) -> None:
        with self._stream.stacked():
            for matrix in group.matrices:
                self._stream.transform(*matrix)
            if group.clip:
                self._stream.stream.append(group.clip)
                self._stream.rectangle(0, 0, 0, 0)  # an empty path cuts everything off
                self._stream.clip()
                self._stream.end()
            for piece in group.pieces:
                self.paint(piece)

    def _paint_shape(self, shape: Shape) -> None:
        if shape.fill is not None:
            self._stream.set_color(_mix(shape.fill))
        if shape.stroke is not None:
            self._take_pen(shape.stroke)
        elif shape.fill is None:
            return
        self._stream.stream.append(shape.operators)
        if shape.stroke is None:
            self._stream.fill()
        elif shape.fill is None:
            self._stream.stroke()
        else:
            self._stream.fill_and_stroke()

    def _take_pen(self, stroke: Stroke) -> None:
        self._stream.set_color(_mix(stroke.ink), stroke=True)
        self._stream.set_line_width(stroke.width)
        self._stream.set_dash(stroke.dashes, stroke.offset)
        self._stream.set_line_cap(stroke.cap)
        self._stream.set_line_join(stroke.join)
        self._stream.set_miter_limit(stroke.mitre)

    def _set_line(self, line: Line) -> None:
        if not line.text:
            return
        style = _make_style(self._pictures.font_config, line.families, line.size, line.weight)
        box = TextBox(create_layout(line.text, style, None, inf, 0), style)
        box.baseline = FROM_UNITS * pango.pango_layout_get_baseline(box.pango_layout.layout)
        self._stream.set_color(_mix(line.ink))
        self._stream.begin_text()
        emojis = draw_first_line(self._stream, box, "none", "none", Matrix(d=-1, e=line.x, f=line.y))
        self._stream.end_text()
        draw_emojis(self._stream, style, line.x, line.y, emojis)

    def _place_raster(self, raster: Raster) -> None:
        image = self._pictures.load_raster(raster.address)
        if image is None:
            return
        left, top, width, height = raster.box
        own_width, own_height, _ = image.get_intrinsic_size(1, 1)
        with self._stream.stacked():
            self._stream.transform(e=left, f=top)
            self._stream.rectangle(0, 0, width, height)
            self._stream.clip()
            self._stream.end()
            _fit(self._stream, (0, 0, own_width, own_height), width, height)
            image.draw(self._stream, own_width, own_height, {"image_rendering": raster.rendering})


@cache
def _mix(ink: Ink) -> Any:
    colour = parse_color(ink.colour)
    colour.alpha *= ink.opacity
    return colour


@cache
def _make_style(font_config: Any, families: tuple[str, ...], size: float, weight: int) -> Any:
    style = Style(INITIAL_VALUES)
    style.font_config = font_config
    style.update(font_family=list(families), font_style="normal", font_weight=weight, font_size=size)
    return style
