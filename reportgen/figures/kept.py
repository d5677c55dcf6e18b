"""Drawings that are taken from the cache where the same was drawn before; only what is missing loads matplotlib."""

import platform
import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Literal

from reportgen.cache import DRAWINGS, Shelf, key_of
from reportgen.figures.canonical import canonicalize_value
from reportgen.figures.describe import Figure
from reportgen.fingerprints import build_of, code_of, version_of
from reportgen.language import get_language
from reportgen.look import fonts
from reportgen.look.model_styles import ModelStyle
from reportgen.look.theme import PAPER, Theme

if TYPE_CHECKING:
    from reportgen.figures.draw import Drawing, SvgText

Flavour = Literal["paths", "characters", "simple characters", "png", "pdf"]
"""An SVG with its text as one of these, or another format."""


class CachedFigure:
    """One figure, each of its flavours as it was drawn before under the same key; else drawn now, and kept."""

    def __init__(self, key: str | None, draw: Callable[[], "Drawing"]) -> None:
        """`key` is `drawing_key` of what `draw` draws; without one nothing is looked for, and nothing kept."""
        self._key = key
        self._draw = draw
        self._drawing: Drawing | None = None
        self._found: dict[Flavour, bytes] = {}

    def draw_missing(self, flavours: Iterable[Flavour]) -> bool:
        """Draws the figure unless all of these flavours were kept; whether it is drawn now."""
        if any(self._find_cached(flavour) is None for flavour in flavours):
            self._get_drawing()
        return self._drawing is not None

    def svg(self, text: "SvgText" = "paths") -> str:
        """As `Drawing.svg`."""
        return self.content(text).decode()

    def png(self, pixels: int | None = None) -> bytes:
        """As `Drawing.png`; a picture of so many pixels is drawn each time."""
        return self.content("png") if pixels is None else self._get_drawing().png(pixels=pixels)

    def pdf(self) -> bytes:
        """As `Drawing.pdf`."""
        return self.content("pdf")

    def content(self, flavour: Flavour) -> bytes:
        """The bytes of a flavour."""
        kept = self._find_cached(flavour)
        if kept is not None:
            return kept
        made = self._render_flavour(flavour)
        if (key := self.key_of(flavour)) is not None:
            Shelf(DRAWINGS).write(key, made)
        return made

    def key_of(self, flavour: Flavour) -> str | None:
        """Where the cache keeps a flavour; None where it does not."""
        return None if self._key is None else key_of(self._key, flavour)

    def _find_cached(self, flavour: Flavour) -> bytes | None:
        if flavour not in self._found and (key := self.key_of(flavour)) is not None:
            found = Shelf(DRAWINGS).read(key)
            if found is not None:
                self._found[flavour] = found
        return self._found.get(flavour)

    def _render_flavour(self, flavour: Flavour) -> bytes:
        drawing = self._get_drawing()
        if flavour == "png":
            return drawing.png()
        return drawing.pdf() if flavour == "pdf" else drawing.svg(flavour).encode()

    def _get_drawing(self) -> "Drawing":
        if self._drawing is None:
            self._drawing = self._draw()
        return self._drawing


def drawing_key(
    figure: Figure, styles: Mapping[str, ModelStyle], theme: Theme = PAPER, width: float | None = None
) -> str | None:
    """The key of a figure as `draw` draws it; None where its description holds what has no agreed spelling."""
    look = (theme.drawing_state, repr(width), get_language())
    try:
        return key_of(
            "drawing", *list_conditions(), *look, *canonicalize_value(figure), *canonicalize_value(dict(styles))
        )
    except TypeError:
        return None


@cache
def list_conditions() -> tuple[str, ...]:
    """Everything that a drawing depends on except its description and styles."""
    return (
        code_of("figures"),
        code_of("look"),
        platform.python_version(),  # for its table of characters
        platform.machine(),
        zlib.ZLIB_RUNTIME_VERSION,
        build_of("matplotlib"),
        *(f"{name} {version_of(name)}" for name in ("lm-reportgen", "numpy", "fonttools", "pillow")),
        *fonts.identify_fonts(),
    )
