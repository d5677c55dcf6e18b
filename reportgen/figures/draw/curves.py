"""Thin lines over layers or steps, named where they end."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.lines import Line2D

from reportgen.figures.describe import Curve, Curves
from reportgen.figures.draw.canvas import FULL_WIDTH, Box, Canvas
from reportgen.figures.draw.direct_labels import spread
from reportgen.figures.draw.lettering import LINE, Lettering
from reportgen.figures.draw.scales import extent, tick_numbers, ticks
from reportgen.figures.fonts import legible
from reportgen.figures.style import FAINT, MUTED, ModelStyle, model_styles

HEIGHT = 190.0
MOST_LABELS = 6
"""Curves that are each named; where there are more, their groups are."""
SAMPLE = 16.0
LABEL = 130.0
REFERENCE = ModelStyle(MUTED, (1, 2), "o")


@dataclass(frozen=True)
class _Label:
    text: str
    style: ModelStyle
    end: tuple[float, float] | None
    """Where on the plane the line ends that is named; None for a group of lines."""


def paint_curves(curves: Curves, lettering: Lettering, styles: Mapping[str, ModelStyle]) -> Canvas:
    """The vertical axis is named above it. Each line's name stands at its end, with a sample of the line."""
    looks = _looks(curves.curves, styles)
    x_low, x_high = curves.x_range or extent(x for curve in curves.curves for x in curve.x)
    y_low, y_high = _height_range(curves)
    marks = ticks(y_low, y_high)
    numbers = tick_numbers(marks)
    left, top = max(map(lettering.width, numbers), default=0) + 6, LINE + 10
    named = [lettering.shortened(text, LABEL) for text in _names(curves)]
    height = max(HEIGHT, len(named) * LINE)
    right = FULL_WIDTH - max((lettering.width(text) + SAMPLE + 16 for text in named), default=8)
    canvas = Canvas(FULL_WIDTH, top + height + 2 * LINE + 8, lettering)
    plot = _Plot(canvas, (left, top, right, top + height), (x_low, x_high), (y_low, y_high))

    canvas.write(0, LINE / 2, legible(curves.y_label))
    plot.grid(marks, numbers, ticks(x_low, x_high, 8))
    canvas.write((left + right) / 2, top + height + 1.5 * LINE + 4, legible(curves.x_label), across="center")
    for name, value in curves.references.items():
        plot.line((x_low, x_high), (value, value), REFERENCE, width=0.8)
    for curve, look in zip(curves.curves, looks, strict=True):
        plot.curve(curve, look)
    _write_labels(plot, list(_labels(curves, looks, plot)))
    return canvas


def _height_range(curves: Curves) -> tuple[float, float]:
    references = list(curves.references.values())
    if curves.y_range is not None:
        return extent([*curves.y_range, *references], margin=0.02)
    bands = [edge for curve in curves.curves if curve.band is not None for edge in curve.band]
    every_y = [*(curve.y for curve in curves.curves), *bands, references]
    return extent((y for ys in every_y for y in ys), margin=0.04)
