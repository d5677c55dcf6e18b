"""The key that says which colour means which number."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reportgen.figures.draw.canvas import Canvas
from reportgen.numerals import write_change

LENGTH, THICKNESS = 64.0, 7.0
STEPS = 64

Colours = Callable[[ArrayLike], NDArray[np.float64]]


def colour_key(
    canvas: Canvas, left: float, y: float, colours: Colours, *, ends: tuple[float, float], label: str,
    positions: tuple[float, float] = (0.0, 1.0),
) -> float:  # fmt: skip
    """A bar of all colours between two numbers, its label behind it; returns where the label ends.

    `positions` are what `colours` takes at the two ends.
    """
    width = canvas.lettering.width
    low, high = write_change(*ends, significant=2)
    canvas.write(left, y, low, colour=canvas.theme.muted)
    bar = left + width(low) + 4
    box = (bar, y - THICKNESS / 2, bar + LENGTH, y + THICKNESS / 2)
    canvas.cells(box, colours(np.linspace(*positions, STEPS))[np.newaxis])
    canvas.write(bar + LENGTH + 4, y, high, colour=canvas.theme.muted)
    text = bar + LENGTH + 4 + width(high) + 8
    canvas.write(text, y, label, colour=canvas.theme.muted)
    return text + width(label)


def colour_key_width(width: Callable[[str], float], *, ends: tuple[float, float], label: str) -> float:
    """Points that `colour_key` takes."""
    return sum(width(text) for text in (*write_change(*ends, significant=2), label)) + LENGTH + 16
