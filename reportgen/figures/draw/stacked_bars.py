"""Horizontal bars made of named segments."""

import numpy as np

from reportgen.figures.describe import StackedBars
from reportgen.figures.draw.canvas import Canvas
from reportgen.figures.draw.group_key import SWATCH, key_entries, key_height
from reportgen.figures.draw.lettering import LINE
from reportgen.figures.draw.look import Look
from reportgen.figures.draw.scales import choose_fitting_ticks, write_alike, write_ticks
from reportgen.look.model_styles import choose_text_colour, rgb

BAR, GAP = 13.0, 3.0
LABEL = 130.0


def paint_stacked_bars(stacked: StackedBars, look: Look) -> Canvas:
    """Bars from top to bottom on one scale from 0, each with its total; a segment says its name where it has room."""
    lettering = look.lettering
    values = np.nan_to_num(np.asarray(stacked.values, dtype=float))
    totals = values.sum(axis=1)
    most = float(totals.max(initial=0.0)) or 1.0
    names = [lettering.shorten(bar, LABEL) for bar in stacked.bars]
    areas = look.theme.areas
    fills = [areas[at % len(areas)] for at in range(len(stacked.segments))]
    entries = key_entries(stacked.segments, look)
    left = max(map(lettering.width, names), default=0) + 6
    sums = write_alike(totals.tolist())
    right = look.width - max(map(lettering.width, sums), default=0) - 6
    scale = (right - left) / most
    top = key_height(entries)
    bottom = top + len(names) * (BAR + GAP)
    below = lettering.break_lines(stacked.value_label, look.width - left)
    canvas = Canvas(look.width, bottom + (1 + len(below)) * LINE + 4, look)

    for entry, fill in zip(entries, fills, strict=True):
        canvas.bar((entry.x, entry.y - 4, entry.x + 8, entry.y + 4), fill)
        canvas.write(entry.x + SWATCH, entry.y, entry.text)
    canvas.frame((left, top, right, bottom), rows=len(names), x=[0.0, most])
    marks = choose_fitting_ticks(0, most, right - left, lettering.width)
    uprights = [((left + mark * scale, top), (left + mark * scale, bottom)) for mark in marks]
    canvas.lines(uprights, canvas.theme.faint, 0.5)
    for mark, text in zip(marks, write_ticks(marks), strict=True):
        canvas.write(left + mark * scale, bottom + LINE / 2, text, colour=canvas.theme.muted, across="center")
    for at, line in enumerate(below):
        canvas.write(left, bottom + (at + 1.5) * LINE, line, colour=canvas.theme.muted)
    for at, name in enumerate(names):
        y = top + at * (BAR + GAP) + GAP / 2
        canvas.write(left - 5, y + BAR / 2, name, across="right")
        edges = left + scale * np.concatenate([[0], np.cumsum(values[at])])
        for start, end, fill, entry in zip(edges, edges[1:], fills, entries, strict=False):
            canvas.bar((float(start), y, float(end), y + BAR), fill)
            if end - start > lettering.width(entry.text) + 6:
                ink = choose_text_colour(rgb(fill))
                canvas.write(float(start + end) / 2, y + BAR / 2, entry.text, colour=ink, across="center")
        canvas.write(float(edges[-1]) + 4, y + BAR / 2, sums[at], colour=canvas.theme.muted)
    return canvas
