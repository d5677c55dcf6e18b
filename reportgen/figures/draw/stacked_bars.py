"""Horizontal bars made of named segments."""

from collections.abc import Mapping

import numpy as np

from reportgen.figures.describe import StackedBars
from reportgen.figures.draw.canvas import FULL_WIDTH, Canvas
from reportgen.figures.draw.group_key import SWATCH, key_entries, key_height
from reportgen.figures.draw.lettering import LINE, Lettering
from reportgen.figures.draw.scales import alike, tick_numbers, ticks
from reportgen.figures.fonts import legible
from reportgen.figures.style import AREAS, FAINT, MUTED, ModelStyle, rgb, text_on

BAR, GAP = 13.0, 3.0
LABEL = 130.0


def paint_stacked_bars(stacked: StackedBars, lettering: Lettering, styles: Mapping[str, ModelStyle]) -> Canvas:
    """Bars from top to bottom on one scale from 0, each with its total; a segment says its name where it has room."""
    values = np.nan_to_num(np.asarray(stacked.values, dtype=float))
    totals = values.sum(axis=1)
    most = float(totals.max(initial=0.0)) or 1.0
    names = [lettering.shortened(bar, LABEL) for bar in stacked.bars]
    fills = [AREAS[at % len(AREAS)] for at in range(len(stacked.segments))]
    entries = key_entries(stacked.segments, lettering)
    left = max(map(lettering.width, names), default=0) + 6
    sums = alike(totals.tolist())
    right = FULL_WIDTH - max(map(lettering.width, sums), default=0) - 6
    scale = (right - left) / most
    top = key_height(entries)
    bottom = top + len(names) * (BAR + GAP)
    canvas = Canvas(FULL_WIDTH, bottom + 2 * LINE + 4, lettering)

    for entry, fill in zip(entries, fills, strict=True):
        canvas.bar((entry.x, entry.y - 4, entry.x + 8, entry.y + 4), fill)
        canvas.write(entry.x + SWATCH, entry.y, entry.text)
    marks = ticks(0, most)
    canvas.lines([((left + mark * scale, top), (left + mark * scale, bottom)) for mark in marks], FAINT, 0.5)
    for mark, text in zip(marks, tick_numbers(marks), strict=True):
        canvas.write(left + mark * scale, bottom + LINE / 2, text, colour=MUTED, across="center")
    canvas.write(left, bottom + 1.5 * LINE, legible(stacked.value_label), colour=MUTED)
    for at, name in enumerate(names):
        y = top + at * (BAR + GAP) + GAP / 2
        canvas.write(left - 5, y + BAR / 2, name, across="right")
        edges = left + scale * np.concatenate([[0], np.cumsum(values[at])])
        for start, end, fill, entry in zip(edges, edges[1:], fills, entries, strict=False):
            canvas.bar((float(start), y, float(end), y + BAR), fill)
            if end - start > lettering.width(entry.text) + 6:
                ink = text_on(rgb(fill))
                canvas.write(float(start + end) / 2, y + BAR / 2, entry.text, colour=ink, across="center")
        canvas.write(float(edges[-1]) + 4, y + BAR / 2, sums[at], colour=MUTED)
    return canvas
