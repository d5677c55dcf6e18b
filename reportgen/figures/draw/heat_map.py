"""A matrix of values over two counted axes."""

import numpy as np

from reportgen.figures.describe import HeatMap
from reportgen.figures.draw.canvas import Canvas
from reportgen.figures.draw.colour_key import colour_key, colour_key_width
from reportgen.figures.draw.lettering import LINE
from reportgen.figures.draw.look import Look
from reportgen.figures.draw.scales import choose_labelled, find_extent
from reportgen.look.legible import make_legible

LARGEST_CELL = 18.0
AFTER = 4.0
"""Points to the right of the last column."""
WIDEST_CELL = 4.0
"""Times its height that a cell takes across at most."""


def paint_heat_map(heat_map: HeatMap, look: Look) -> Canvas:
    """Rows downwards and columns to the right, both counted from 0. White is 0 on a diverging scale."""
    lettering = look.lettering
    values = np.asarray(heat_map.values, dtype=np.float64)
    rows, columns = values.shape
    low, high = heat_map.value_range or find_extent(values.ravel())
    if heat_map.scale == "diverging":
        high = max(abs(low), abs(high)) or 1.0
        low = -high
        colours, positions, scaled = look.diverging, (-1.0, 1.0), values / high
    else:
        colours, positions, scaled = look.sequential, (0.0, 1.0), (values - low) / ((high - low) or 1.0)

    axes = f"↓ {make_legible(heat_map.row_label)} · → {make_legible(heat_map.column_label)}"
    label = make_legible(heat_map.value_label)
    left, top = lettering.width(str(rows)) + 5, 2 * LINE + 2
    room = (heat_map.width * look.wide if heat_map.width else look.width) - AFTER
    cell = min(LARGEST_CELL, (room - left) / max(rows, columns, 1), look.room_below(top + 20) / max(rows, 1))
    # Where it is the height that makes cells small, they may be wider than high.
    wide = max(cell, min((room - left) / max(columns, 1), WIDEST_CELL * cell)) if look.theme.tallest else cell
    width, height = columns * wide, rows * cell
    key = left + colour_key_width(lettering.width, ends=(low, high), label=label)
    canvas = Canvas(max(left + width, lettering.width(axes), key) + AFTER, top + height + 20, look)
    canvas.write(0, LINE / 2, axes, colour=canvas.theme.muted)
    for column in choose_labelled(columns, width, lettering.width(str(columns)) + 4):
        canvas.write(left + (column + 0.5) * wide, 1.5 * LINE, str(column), colour=canvas.theme.muted, across="center")
    for row in choose_labelled(rows, height, 10):
        canvas.write(left - 4, top + (row + 0.5) * cell, str(row), colour=canvas.theme.muted, across="right")
    box = (left, top, left + width, top + height)
    canvas.frame(box, rows=rows, columns=columns)
    canvas.cells(box, colours(scaled), gap=0.5 if cell > 8 else 0)
    corners = [(left + column * wide, top + row * cell) for row, column in heat_map.marked]
    canvas.outlines([(x + 0.6, y + 0.6, x + wide - 0.6, y + cell - 0.6) for x, y in corners], canvas.theme.outline)
    colour_key(
        canvas, left, top + height + 12, colours, ends=(low, high), label=label, positions=positions
    )  # fmt: skip
    return canvas
