"""Colours, dashes and markers, the same in every figure, page and table.

The four inks are values that nothing else uses, so that a page may replace them by its own variables.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

INK = "#1b1c21"
"""Text and axes."""
MUTED = "#6a6c73"
"""Second-rank text, reference lines."""
FAINT = "#d7d8dd"
"""Ticks, grids, frames."""
PAPER = "#fefefd"
"""The ground a figure stands on, where it must hide what lies below."""

DARK, LIGHT = "#050505", "#ffffff"
"""Text on coloured cells: no ground is so grey that neither reaches a contrast of 4.5."""

BLUE, VERMILLION, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
ORANGE, SKY, YELLOW = "#e69f00", "#56b4e9", "#f0e442"
OKABE_ITO = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
"""Less black, which is ink, and yellow, whose lines vanish on paper."""
AREAS = (
    BLUE, ORANGE, GREEN, SKY, VERMILLION, PURPLE, YELLOW, "#8a8d94",
    "#7fb8d8", "#7a5200", "#80ceb9", "#2a6b96", "#eaae80", "#7d4767", "#b8a900", "#c9cbd0",
)  # fmt: skip
"""Fills that touch each other: neighbours differ in lightness too."""
DASHES: tuple[tuple[float, ...], ...] = ((), (5, 2), (1.5, 1.5), (7, 2, 1.5, 2), (3, 1.5))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

_SEQUENTIAL = ("#f6f8fb", "#cfdfef", "#94bbdc", "#4d8bc0", "#205a9b", "#0b2a5c")
_NEGATIVE = ("#ffffff", "#f6cfb4", "#e08a52", "#b04a12", "#6d2600")
_POSITIVE = ("#ffffff", "#c3dbee", "#6fa8d3", "#2468a6", "#0b2a5c")


@dataclass(frozen=True)
class ModelStyle:
    """How one model, or one group, is told apart: by colour, and without colour by dash and marker."""

    colour: str
    """#rrggbb"""
    dash: tuple[float, ...]
    """Lengths of strokes and gaps in line widths; empty for a solid line."""
    marker: str
    """One of `MARKERS`."""


def model_styles(ids: Sequence[str]) -> dict[str, ModelStyle]:
    """A style for each model or group, by its place in the battery; the first 30 all differ."""
    return {
        id_: ModelStyle(
            OKABE_ITO[at % len(OKABE_ITO)], DASHES[at % len(DASHES)], MARKERS[at % len(MARKERS)]
        )
        for at, id_ in enumerate(dict.fromkeys(ids))
    }  # fmt: skip


def rgb(colour: str) -> tuple[float, float, float]:
    """Red, green and blue of #rrggbb, from 0 to 1."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red / 255, green / 255, blue / 255


def sequential(values: ArrayLike) -> NDArray[np.float64]:
    """(…) values from 0 (light) to 1 (dark) -> (… x 4) RGBA from 0 to 1; NaN is transparent."""
    return _mapped(np.asarray(values, dtype=np.float64), _SEQUENTIAL)


def diverging(values: ArrayLike) -> NDArray[np.float64]:
    """(…) values from -1 (orange) over 0 (white) to 1 (blue) -> (… x 4) RGBA from 0 to 1; NaN is transparent."""
    whole = np.asarray(values, dtype=np.float64)
    return np.where((whole < 0)[..., np.newaxis], _mapped(-whole, _NEGATIVE), _mapped(whole, _POSITIVE))


def _mapped(values: NDArray[np.float64], anchors: Sequence[str]) -> NDArray[np.float64]:
    colours = np.array([rgb(anchor) for anchor in anchors])
    at = np.linspace(0, 1, len(anchors))
    known = np.where(np.isnan(values), 0, np.clip(values, 0, 1))
    channels = [np.interp(known, at, colours[:, channel]) for channel in range(3)]
    return np.stack([*channels, np.where(np.isnan(values), 0.0, 1.0)], axis=-1)


def luminance(colour: Sequence[float]) -> float:
    """Relative luminance of an sRGB colour (WCAG 2.2), from 0 to 1."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    return float(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])


def contrast(one: Sequence[float], other: Sequence[float]) -> float:
    """Contrast ratio of two sRGB colours (WCAG 2.2), from 1 to 21."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def text_on(colour: Sequence[float]) -> str:
    """`DARK` or `LIGHT`, whichever is easier to read on this colour; always at least 4.5:1."""
    return max((DARK, LIGHT), key=lambda ink: contrast(rgb(ink), colour))
