"""Text set in the report's typefaces: measured, shortened, never one of the system's fonts."""

import math
import unicodedata
from collections.abc import Sequence
from contextlib import nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.font_manager import FontProperties, fontManager, get_font
from matplotlib.ft2font import LoadFlags
from matplotlib.text import Text

from reportgen.look.font_sources import BOLD, REGULAR
from reportgen.look.fonts import Typefaces
from reportgen.look.legible import families_of, make_legible

SIZE = 8.5
"""Points of all text but heads: 11 px on a screen."""
HEAD = 9.5
"""Points of the names of panels."""
LINE = 12.0
"""Points from one line of text to the next."""
LONGEST = 200
"""Characters of a label that are looked at: none that is drawn comes near it."""


SHARES = {"left": 0.0, "center": 0.5, "right": 1.0}
"""Share of a text's width that stands before the place that it was given."""
SHAPED_AS_PATHS: ContextVar[bool] = ContextVar("SHAPED_AS_PATHS", default=False)
"""True while an SVG is made for a program that sets characters one by one, without joining or reordering them."""


class SetText(Text):
    """A text of a figure, on one line; in an SVG of characters it may still be drawn as paths, where its script asks
    for it.
    """

    def __init__(self, x: float, y: float, text: str, *, extent: "Extent", **look: Any) -> None:
        """`extent`: of the text at its size. Its middle height stands at y, one of its ends or its middle at x."""
        super().__init__(x, y, text, va="center_baseline", rotation_mode="anchor", **look)
        self._extent, self._measured_at = extent, float(self.get_fontsize())

    def draw(self, renderer: Any) -> None:
        """Draws it where matplotlib would, which lays each text out anew for each format, as if it had many lines."""
        as_path = SHAPED_AS_PATHS.get() and needs_shaping(self.get_text())
        with mpl.rc_context({"svg.fonttype": "path"}) if as_path else nullcontext():
            renderer.open_group("text", self.get_gid())
            context = renderer.new_gc()
            context.set_foreground(self.get_color())
            x, y = self._find_start(renderer)
            renderer.draw_text(
                context, x, y, self.get_text(), self.get_fontproperties(), self.get_rotation(), mtext=self
            )
            context.restore()
            renderer.close_group("text")

    def _find_start(self, renderer: Any) -> tuple[float, float]:
        """Where its baseline begins on the renderer's sheet."""
        sheet = self.get_figure(root=True)
        assert sheet is not None
        x, y = self.get_transform().transform(self.get_unitless_position())
        # Extents grow with the size: no hint rounds them.
        pixels = float(self.get_fontsize()) / self._measured_at * sheet.dpi / 72
        back = SHARES[self.get_horizontalalignment()] * self._extent.width * pixels
        down = self._extent.ascent / 2 * pixels
        cosine, sine = math.cos(math.radians(self.get_rotation())), math.sin(math.radians(self.get_rotation()))
        x, y = x - cosine * back + sine * down, y - sine * back - cosine * down
        return x, renderer.get_canvas_width_height()[1] - y if renderer.flipy() else y


def needs_shaping(text: str) -> bool:
    """Whether a text has letters that join, combine or run from right to left."""
    return any(
        unicodedata.bidirectional(c) in {"R", "AL", "AN"}
        or unicodedata.category(c).startswith("M")
        or "\u0900" <= c <= "\u1cff"  # from Devanagari over Thai and Khmer to the Vedic signs
        or "\ua800" <= c <= "\uabff"
        for c in text
    )


class Lettering:
    """The families to draw text with, and how much room a text takes."""

    def __init__(self, typefaces: Typefaces) -> None:
        _register(typefaces.files)
        self._own = typefaces.own
        self._files = {(face.family, face.weight): face.path for face in typefaces.faces}

    def properties(self, text: str, *, size: float = SIZE, mono: bool = False, bold: bool = False) -> FontProperties:
        """What matplotlib needs to know to set a legible text."""
        # Of the text's own families only: matplotlib looks each of them up, for each text and format.
        families = list(families_of(text, mono=mono, own=self._own))
        return FontProperties(family=families, size=size, weight="bold" if bold else "normal")

    def width(self, text: str, *, size: float = SIZE, mono: bool = False) -> float:
        """Points that a legible text takes on its line."""
        return self.measure(text, size=size, mono=mono).width

    def measure(self, text: str, *, size: float = SIZE, mono: bool = False, bold: bool = False) -> "Extent":
        """The room that a legible text takes on its line."""
        families = list(families_of(text, mono=mono, own=self._own))
        return measure_text(self.find_files(families, bold=bold), text, size)

    def find_files(self, families: Sequence[str], *, bold: bool = False) -> tuple[Path, ...]:
        """The files of some of the families; of those that have no bold face, the usual one."""
        usual = [self._files[family, REGULAR] for family in families]
        if not bold:
            return tuple(usual)
        return tuple(self._files.get((family, BOLD), file) for family, file in zip(families, usual, strict=True))

    def break_lines(self, text: str, room: float, *, size: float = SIZE) -> list[str]:
        """A legible text in lines of at most `room` points, broken between words; a longer word stays whole."""
        lines: list[str] = []
        for word in make_legible(text).split(" "):
            longer = f"{lines[-1]} {word}" if lines else word
            if lines and self.width(longer, size=size) <= room:
                lines[-1] = longer
            else:
                lines.append(word)
        return lines

    def shorten(self, text: str, room: float, *, size: float = SIZE, mono: bool = False) -> str:
        """A stranger's text made legible and, where it is wider than `room` points, cut with …"""
        whole = make_legible(text[:LONGEST])
        if len(text) <= LONGEST and self.width(whole, size=size, mono=mono) <= room:
            return whole
        fewest, most = 0, len(whole) - 1
        while fewest < most:
            middle = (fewest + most + 1) // 2
            if self.width(_cut_text(whole, middle), size=size, mono=mono) <= room:
                fewest = middle
            else:
                most = middle - 1
        return _cut_text(whole, max(fewest, 1))


def _cut_text(text: str, length: int) -> str:
    """The start of a text with …; marks stay with the letter they belong to or go with it."""
    while length > 1 and length < len(text) and unicodedata.category(text[length]).startswith("M"):
        length -= 1
    return text[:length] + "…"


@dataclass(frozen=True)
class Extent:
    """Points that a text takes."""

    width: float
    ascent: float
    """Above its baseline: as high as its letters, and as its first font means them to be."""


@cache
def measure_text(files: tuple[Path, ...], text: str, size: float) -> Extent:
    """The room that a text takes in these fonts, each for what those before it lack."""
    font: Any = get_font(files)
    font.set_size(size, 72)
    font.set_text(text, 0.0, flags=LoadFlags.NO_HINTING)
    width, height = font.get_width_height()
    return Extent(width / 64, max((height - font.get_descent()) / 64, _get_ascent(files[0]) * size))


@cache
def _get_ascent(file: Path) -> float:
    """How far a font's letters are meant to rise, as a share of its size."""
    font: Any = get_font(file)
    return float(font.get_sfnt_table("OS/2")["sTypoAscender"] / font.units_per_EM)


def _register(files: tuple[Path, ...]) -> None:
    """Makes matplotlib find these files, and of an earlier report's fonts with the same names none."""
    mine = {str(path) for path in files}
    known = {entry.fname for entry in fontManager.ttflist if entry.name.startswith("reportgen ")}
    if known == mine:
        return
    fontManager.ttflist = [entry for entry in fontManager.ttflist if not entry.name.startswith("reportgen ")]
    for path in files:
        fontManager.addfont(path)
