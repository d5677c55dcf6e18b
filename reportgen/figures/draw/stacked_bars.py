"""Horizontal bars made of named segments."""

import numpy as np

from reportgen.figures.describe import StackedBars
from reportgen.figures.draw.canvas import Canvas
from reportgen.figures.draw.group_key import SWATCH, key_entries, key_height
from reportgen.figures.draw.lettering import LINE
from reportgen.figures.draw.look import Look
from reportgen.figures.draw.scales import choose_fitting_ticks, choose_labelled, write_alike, write_ticks
from reportgen.look.model_styles import choose_text_colour, rgb

BAR, GAP = 13.0, 3.0
NEEDED = 11.0
"""Points from one bar to the next at which each can be named."""
LABEL = 130.0
NARROWEST = 60.0
"""Points across of all bars together that can still be looked at: with longer names a figure is wider than asked."""


def paint_stacked_bars(stacked: StackedBars, look: Look) -> Canvas:
    """Bars from top to bottom on one scale from 0, each with its total; a segment says its name where it has room."""
    lettering = look.lettering
    values = np.nan_to_num(np.asarray(stacked.values, dtype=float))
    totals = values.sum(axis=1)
    most = float(totals.max(initial=0.0)) or 1.0
    names = [lettering.shorten(bar, LABEL) for bar in stacked.bars]
    areas = look.theme.areas
    fills = [areas[at % len(areas)] for at in stacked.colours or range(len(stacked.segments))]
    entries = key_entries(stacked.segments, look)
    left = max(map(lettering.width, names), default=0) + 6
    sums = write_alike(totals.tolist())
    behind = max(map(lettering.width, sums), default=0) + 6
    right = max(look.width - behind, left + NARROWEST)
    scale = (right - left) / most
    top = key_height(entries)
    below = lettering.break_lines(stacked.value_label, look.width - left)
    foot = (1 + len(below)) * LINE + 4
    step = min(BAR + GAP, look.room_below(top + foot) / max(len(names), 1))
    bar = step - min(GAP, step / 4)
    named = set(choose_labelled(len(names), step * len(names), NEEDED))
    bottom = top + len(names) * step
    canvas = Canvas(right + behind, bottom + foot, look)

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
        y = top + at * step + (step - bar) / 2
        edges = left + scale * np.concatenate([[0], np.cumsum(values[at])])
        for start, end, fill, entry in zip(edges, edges[1:], fills, entries, strict=False):
            canvas.bar((float(start), y, float(end), y + bar), fill)
            if end - start > lettering.width(entry.text) + 6 and step >= NEEDED:
                ink = choose_text_colour(rgb(fill))
                canvas.write(float(start + end) / 2, y + bar / 2, entry.text, colour=ink, across="center")
        if at in named:
            canvas.write(left - 5, y + bar / 2, name, across="right")
            canvas.write(float(edges[-1]) + 4, y + bar / 2, sums[at], colour=canvas.theme.muted)
    return canvas
