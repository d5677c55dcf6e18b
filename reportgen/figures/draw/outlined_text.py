"""An SVG of characters as one of paths: its texts as the outlines of their glyphs, its shapes as they are.

matplotlib would draw the whole figure once more for that; the outlines come out the same.
"""

import html as markup
import math
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from matplotlib.font_manager import get_font
from matplotlib.textpath import TextToPath

from reportgen.figures.draw.lettering import SHARES, Lettering, measure_text

_TEXT = re.compile(
    r'<text style="([^"]*)" x="([^"]*)" y="([^"]*)" transform="rotate\(-(\S+) [^"]*">([^<]*)</text>'
)  # as matplotlib writes it
_ANCHORS = {"start": "left", "middle": "center", "end": "right"}
_OF_LETTERS = ("font-", "text-anchor")
"""How the names of styles begin that letters alone have."""
_PIECES = {1: ("M", 1), 2: ("L", 1), 3: ("Q", 2), 4: ("C", 3), 79: ("z", 0)}
"""matplotlib's code of a piece of a path -> how SVG says it, and with how many points."""
_UNITS = 64
"""In which FreeType measures, of a point."""
_BOLD = "700"

Glyph = tuple[str, float, float]
"""(name, x, y): where a glyph stands in a text of TextToPath.FONT_SCALE points."""


def outline_texts(element: str, lettering: Lettering) -> str | None:
    """The SVG with a group of glyphs in place of each text; None where a text is not written as is known here."""
    drawn = _Outlines(lettering)
    outlined = _TEXT.sub(drawn.outline, element)
    return None if "<text" in outlined else outlined


class _Outlines:
    """One SVG under way: each glyph is defined where it first stands."""

    def __init__(self, lettering: Lettering) -> None:
        self._lettering = lettering
        self._defined: set[str] = set()

    def outline(self, found: re.Match[str]) -> str:
        said, x, y, angle, text = found.groups()
        style = dict(part.split(": ", 1) for part in said.split("; "))
        size, families = float(style["font-size"].removesuffix("px")), re.findall("'([^']+)'", style["font-family"])
        files = self._lettering.find_files(families, bold=style.get("font-weight") == _BOLD)
        shown = markup.unescape(text)
        back = SHARES[_ANCHORS[style["text-anchor"]]] * measure_text(files, shown, size).width
        across, up = (function(math.radians(float(angle))) for function in (math.cos, math.sin))
        place = (float(x) - across * back, float(y) + up * back)
        look = "; ".join(f"{name}: {value}" for name, value in style.items() if not name.startswith(_OF_LETTERS))
        styled = f' style="{look}"' if look else ""
        placed = _write_place(place, float(angle), size / TextToPath.FONT_SCALE)
        return "\n".join([f'<g{styled} transform="{placed}">', *self._list_glyphs(files, shown), "</g>"])

    def _list_glyphs(self, files: tuple[Path, ...], text: str) -> Iterator[str]:
        glyphs, outlines = _lay_out(files, text), _outlines_of(files)
        new = [name for name in dict.fromkeys(name for name, *_ in glyphs) if name not in self._defined]
        self._defined.update(new)
        if new:
            scale = _write_number(1 / _UNITS)
            yield "<defs>"
            for name in new:
                said = f' d="{outlines[name]}"' if outlines[name] else ""  # a space has none
                yield f'<path id="{name}"{said} transform="scale({scale})"/>'
            yield "</defs>"
        for name, x, y in glyphs:
            moved = f' transform="translate({_write_number(x)} {_write_number(y)})"' if (x, y) != (0, 0) else ""
            yield f'<use xlink:href="#{name}"{moved}/>'


@cache
def _outlines_of(files: tuple[Path, ...]) -> dict[str, str]:
    """Name of a glyph -> its outline; filled as texts are laid out in these fonts."""
    return {}


@cache
def _lay_out(files: tuple[Path, ...], text: str) -> tuple[Glyph, ...]:
    font: Any = get_font(files)
    font.set_size(TextToPath.FONT_SCALE, TextToPath.DPI)
    known: Any = _outlines_of(files)  # of which only the names are asked for
    glyphs, new, _ = TextToPath().get_glyphs_with_font(font, text, glyph_map=known, return_new_glyphs_only=True)
    known.update({name: _write_outline(points, codes) for name, (points, codes) in new.items()})
    return tuple((name, x, y) for name, x, y, _ in glyphs)


def _write_outline(points: Any, codes: Any) -> str:
    """(points x 2), (points) -> the path that they say, as SVG."""
    pieces, at, places, kinds = [], 0, (points * _UNITS).tolist(), codes.tolist()
    while at < len(kinds):
        letter, count = _PIECES[kinds[at]]
        pieces.append(" ".join([letter, *(_write_number(edge) for place in places[at : at + count] for edge in place)]))
        at += max(count, 1)
    return "".join(f"{piece}\n" for piece in pieces)


def _write_place(place: tuple[float, float], angle: float, scale: float) -> str:
    turned = f" rotate({_write_number(-angle)})" if angle else ""
    moved = " ".join(map(_write_number, place))
    return f"translate({moved}){turned} scale({_write_number(scale)} {_write_number(-scale)})"


def _write_number(value: float) -> str:
    return f"{value:f}".rstrip("0").rstrip(".")
