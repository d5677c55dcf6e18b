"""A matrix of values over two counted axes."""

from collections.abc import Mapping

import numpy as np

from reportgen.figures.describe import HeatMap
from reportgen.figures.draw.canvas import FULL_WIDTH, Canvas
from reportgen.figures.draw.colour_key import colour_key, colour_key_width
from reportgen.figures.draw.lettering import LINE, Lettering
from reportgen.figures.draw.scales import every, extent
from reportgen.figures.fonts import legible
from reportgen.figures.style import MUTED, ModelStyle, diverging, sequential

LARGEST_CELL = 18.0


def paint_heat_map(heat_map: HeatMap, lettering: Lettering, styles: Mapping[str, ModelStyle]) -> Canvas:
    """Rows downwards and columns to the right, both counted from 0. White is 0 on a diverging scale."""
    values = np.asarray(heat_map.values, dtype=np.float64)
    rows, columns = values.shape
    low, high = heat_map.value_range or extent(values.ravel())
    if heat_map.scale == "diverging":
        high = max(abs(low), abs(high)) or 1.0
        low = -high
        colours, positions, scaled = diverging, (-1.0, 1.0), values / high
    else:
        colours, positions, scaled = sequential, (0.0, 1.0), (values - low) / ((high - low) or 1.0)

    axes = f"↓ {legible(heat_map.row_label)} · → {legible(heat_map.column_label)}"
    label = legible(heat_map.value_label)
    left, top = lettering.width(str(rows)) + 5, 2 * LINE + 2
    cell = min(LARGEST_CELL, ((heat_map.width or FULL_WIDTH) - left) / max(rows, columns, 1))
    width, height = columns * cell, rows * cell
    key = left + colour_key_width(lettering.width, ends=(low, high), label=label)
    canvas = Canvas(max(left + width, lettering.width(axes), key) + 4, top + height + 20, lettering)
    canvas.write(0, LINE / 2, axes, colour=MUTED)
    for column in every(columns, width, lettering.width(str(columns)) + 4):
        canvas.write(left + (column + 0.5) * cell, 1.5 * LINE, str(column), colour=MUTED, across="center")
    for row in every(rows, height, 10):
        canvas.write(left - 4, top + (row + 0.5) * cell, str(row), colour=MUTED, across="right")
    canvas.cells((left, top, left + width, top + height), colours(scaled), gap=0.5 if cell > 8 else 0)
    colour_key(
        canvas, left, top + height + 12, colours, ends=(low, high), label=label, positions=positions
    )  # fmt: skip
    return canvas
