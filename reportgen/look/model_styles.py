"""A theme's colours at work, with dashes and markers: the same in every figure, page and table."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reportgen.look import theme as themes
from reportgen.look.theme import Theme

INK, MUTED, FAINT, PAPER = themes.PAPER.ink, themes.PAPER.muted, themes.PAPER.faint, themes.PAPER.paper
"""What stands in figures where a page puts its own variables."""

DARK, LIGHT = "#050505", "#ffffff"
"""Text on coloured cells: no ground is so grey that neither reaches a contrast of 4.5."""

LEGIBLE, MIXTURES = 4.6, 101
"""A contrast that stays above 4.5 when it is rounded to colours of 8 bits, and how finely white is mixed in."""

DASHES: tuple[tuple[float, ...], ...] = ((), (5, 2), (1.5, 1.5), (7, 2, 1.5, 2), (3, 1.5))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


@dataclass(frozen=True)
class ModelStyle:
    """How one model, or one group, is told apart: by colour, and without colour by dash and marker."""

    colour: str
    """#rrggbb"""
    dash: tuple[float, ...]
    """Lengths of strokes and gaps in line widths; empty for a solid line."""
    marker: str
    """One of `MARKERS`."""


def model_styles(ids: Sequence[str], theme: Theme = themes.PAPER) -> dict[str, ModelStyle]:
    """A style for each model, by its place in the battery; with six colours the first 30 all differ."""
    return _style_in(ids, theme.models)


def style_groups(names: Sequence[str], theme: Theme = themes.PAPER) -> dict[str, ModelStyle]:
    """A style for each group of what is no model, by its place among them."""
    return _style_in(names, theme.groups)


def _style_in(ids: Sequence[str], colours: Sequence[str]) -> dict[str, ModelStyle]:
    return {
        id_: ModelStyle(
            colours[at % len(colours)], DASHES[at % len(DASHES)], MARKERS[at % len(MARKERS)]
        )
        for at, id_ in enumerate(dict.fromkeys(ids))
    }  # fmt: skip


def rgb(colour: str) -> tuple[float, float, float]:
    """Red, green and blue of #rrggbb, from 0 to 1."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red / 255, green / 255, blue / 255


def map_sequential(values: ArrayLike, theme: Theme = themes.PAPER) -> NDArray[np.float64]:
    """(…) values from 0 to 1 -> (… x 4) RGBA from 0 to 1; NaN is transparent."""
    return _map_colours(np.asarray(values, dtype=np.float64), theme.sequential)


def map_diverging(values: ArrayLike, theme: Theme = themes.PAPER) -> NDArray[np.float64]:
    """(…) values from -1 over 0 to 1 -> (… x 4) RGBA from 0 to 1; NaN is transparent."""
    whole = np.asarray(values, dtype=np.float64)
    middle = len(theme.diverging) // 2
    below, above = theme.diverging[middle::-1], theme.diverging[middle:]
    return np.where((whole < 0)[..., np.newaxis], _map_colours(-whole, below), _map_colours(whole, above))


def _map_colours(values: NDArray[np.float64], anchors: Sequence[str]) -> NDArray[np.float64]:
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


def lighten_for(colour: str, ground: str, least: float = LEGIBLE) -> str:
    """The colour, mixed with as little white as gives it a contrast of at least `least` on a dark ground."""
    mixed = rgb(colour)
    for part in np.linspace(0, 1, MIXTURES).tolist():
        red, green, blue = (own + (1 - own) * part for own in rgb(colour))
        mixed = (red, green, blue)
        if contrast(mixed, rgb(ground)) >= least:
            break
    return "#" + "".join(f"{round(255 * channel):02x}" for channel in mixed)


def choose_text_colour(colour: Sequence[float]) -> str:
    """`DARK` or `LIGHT`, whichever is easier to read on this colour; always at least 4.5:1."""
    return max((DARK, LIGHT), key=lambda ink: contrast(rgb(ink), colour))
