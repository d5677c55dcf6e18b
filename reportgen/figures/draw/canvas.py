"""A sheet measured in points from its upper left corner, on which all figures are laid out by hand."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.collections import Collection, LineCollection, PathCollection, PolyCollection
from matplotlib.figure import Figure as Sheet
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.transforms import TransformedPath
from numpy.typing import NDArray

from reportgen.figures.draw.lettering import SIZE, SetText
from reportgen.figures.draw.look import MARGIN, Look

POINTS_AN_INCH = 72
SLACK = 0.5
"""Points that a picture may be larger than asked: less than anybody sees."""
LARGEST = 2.0
"""Times that a picture is enlarged at most to fill the room that it is given."""
MOST_PATHS = 2000
"""What is made of more shapes than this becomes an image inside the figure."""
Box = tuple[float, float, float, float]
"""(left, top, right, bottom)"""


class Canvas:
    """A figure and one plane over all of it, with x to the right and y downwards, in points."""

    def __init__(self, width: float, height: float, look: Look) -> None:
        self.width, self.height, self.look = width, height, look
        self.theme, self.lettering = look.theme, look.lettering
        size = ((width + 2 * MARGIN) / POINTS_AN_INCH, (height + 2 * MARGIN) / POINTS_AN_INCH)
        self.figure = Sheet(figsize=size, facecolor="none")
        self.plane: Any = self.figure.add_axes((0, 0, 1, 1))
        self.plane.set_axis_off()
        self.plane.set_autoscale_on(False)
        self.plane.set_xlim(-MARGIN, width + MARGIN)
        self.plane.set_ylim(height + MARGIN, -MARGIN)
        self.frames: list[dict[str, Any]] = []
        """The areas in which numbers are plotted, for what follows a reader's pointer."""
        self._sheet = self.clip((-MARGIN, -MARGIN, width + MARGIN, height + MARGIN))

    def write(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = SIZE,
        colour: str | None = None,
        mono: bool = False,
        bold: bool = False,
        across: str = "left",
        rotation: float = 0,
    ) -> None:
        """A legible text whose middle height is at y; `across` says which of its ends is at x."""
        if not text.strip():
            return
        self._add(SetText(
            x, y, text, extent=self.lettering.measure(text, size=size, mono=mono, bold=bold),
            fontproperties=self.lettering.properties(text, size=size, mono=mono, bold=bold),
            transform=self.plane.transData, color=colour or self.theme.ink, ha=across, rotation=rotation,
        ))  # fmt: skip

    def cells(self, box: Box, colours: NDArray[np.float64], gap: float = 0.0) -> None:
        """(rows x columns x RGBA) as a grid that fills the box: shapes, or an image where they are too many."""
        rows, columns = colours.shape[:2]
        left, top, right, bottom = box
        shown = np.argwhere(colours[..., 3] > 0)
        if len(shown) > MOST_PATHS:
            self.image(box, colours)
            return
        wide, high = (right - left) / columns, (bottom - top) / rows
        x, y = left + shown[:, 1] * wide + gap / 2, top + shown[:, 0] * high + gap / 2
        w, h = wide - gap, high - gap
        corners: Any = np.stack([np.stack(c, -1) for c in ((x, y), (x + w, y), (x + w, y + h), (x, y + h))], axis=1)
        self._add(
            PolyCollection(corners, facecolors=colours[shown[:, 0], shown[:, 1]], linewidths=0, antialiased=gap > 0)
        )

    def image(self, box: Box, colours: NDArray[np.float64]) -> None:
        """(rows x columns x RGBA) as one image, its pixels unblurred."""
        left, top, right, bottom = box
        pixels = (colours * 255).round().astype(np.uint8)
        self.plane.imshow(pixels, extent=(left, right, bottom, top), interpolation="none", aspect="auto")

    def outlines(self, boxes: Sequence[Box], colour: str, width: float = 0.9) -> None:
        """Empty rectangles."""
        corners = [[(a, b), (c, b), (c, d), (a, d)] for a, b, c, d in boxes]
        self._add(PolyCollection(corners, facecolors="none", edgecolors=colour, linewidths=width * self.theme.lines))

    def lines(self, paths: Sequence[Any], colour: str, width: float, dash: Sequence[float] = ()) -> None:
        """Open lines through two points or more each, below everything else; `dash` as a model's."""
        style = (0, tuple(dash)) if dash else "-"
        self._add(
            LineCollection(paths, colors=colour, linewidths=width * self.theme.lines, linestyles=style, zorder=0.5)
        )

    def bar(self, box: Box, colour: str) -> None:
        """A filled rectangle."""
        left, top, right, bottom = box
        self._add(Rectangle((left, top), right - left, bottom - top, facecolor=colour, linewidth=0))

    @property
    def outer_width(self) -> float:
        """Points of the whole picture across, with its margins."""
        return self.width + 2 * MARGIN

    def enlarge(self, factor: float) -> None:
        """Makes the whole picture larger or smaller, once all is painted: lengths, texts and lines alike."""
        if factor == 1:
            return
        wide, high = self.figure.get_size_inches()
        self.figure.set_size_inches(wide * factor, high * factor)
        for artist in self.plane.get_children():
            _enlarge(artist, factor)
        for frame in self.frames:
            frame["box"] = [round(edge * factor, 2) for edge in frame["box"]]
            if "gap" in frame:
                frame["gap"] = round(frame["gap"] * factor, 3)

    def fill_box(self, width: float, height: float) -> bool:
        """Makes the whole picture exactly so many points across and upwards, once all is painted: larger as a whole, as
        far as that helps, and in the middle; whether it has room in it.
        """
        wide, high = (POINTS_AN_INCH * float(inches) for inches in self.figure.get_size_inches())
        if wide > width + SLACK or high > height + SLACK:
            return False
        factor = max(min(width / wide, height / high, LARGEST), 1.0)
        self.enlarge(factor)
        left, top = (width - wide * factor) / 2, (height - high * factor) / 2
        unit = wide * factor / self.outer_width  # points of the picture, a point of the plane
        self.figure.set_size_inches(width / POINTS_AN_INCH, height / POINTS_AN_INCH)
        self.plane.set_xlim(-MARGIN - left / unit, self.width + MARGIN + left / unit)
        self.plane.set_ylim(self.height + MARGIN + top / unit, -MARGIN - top / unit)
        for frame in self.frames:
            frame["box"] = [
                round(edge + aside, 2) for edge, aside in zip(frame["box"], (left, top, left, top), strict=True)
            ]
        return True

    def frame(self, box: Box, **said: Any) -> None:
        """Says what a box plots, in legible texts: how many `rows` downwards and `columns` to the right it is divided
        into, or the numbers at its left and right end as `x` and at its lower and upper end as `y`.
        """
        self.frames.append({"box": [round(float(edge) + MARGIN, 2) for edge in box], **said})

    def _add(self, artist: Any) -> None:
        """Puts an artist on the plane, which cuts nothing off at its edge: that would cost more than the drawing."""
        artist.set_clip_path(self._sheet)  # else the plane works out its own for each artist
        artist.set_clip_on(False)
        self.plane.add_artist(artist)

    def clip(self, box: Box) -> TransformedPath:
        """What cuts an artist off at the edges of a box."""
        left, top, right, bottom = box
        corners = Path([(left, top), (right, top), (right, bottom), (left, bottom), (left, top)], closed=True)
        return TransformedPath(corners, self.plane.transData)


def _enlarge(artist: Any, factor: float) -> None:
    """What of an artist is measured in points and not in places on the plane."""
    if isinstance(artist, Text):
        artist.set_fontsize(float(artist.get_fontsize()) * factor)
    elif isinstance(artist, Line2D):
        artist.set_linewidth(artist.get_linewidth() * factor)  # which its dashes are measured in
        artist.set_markersize(artist.get_markersize() * factor)
    elif isinstance(artist, PathCollection):
        artist.set_sizes(artist.get_sizes() * factor**2)
    elif isinstance(artist, Collection):
        artist.set_linewidth(np.multiply(artist.get_linewidth(), factor).tolist())
    elif isinstance(artist, Patch):
        artist.set_linewidth(artist.get_linewidth() * factor)
