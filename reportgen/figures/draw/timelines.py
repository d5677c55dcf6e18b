"""Quantities run after run, small, one below the other."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from reportgen.figures.describe import Band, Timeline, Timelines
from reportgen.figures.draw.canvas import Box, Canvas
from reportgen.figures.draw.lettering import LINE
from reportgen.figures.draw.look import Look
from reportgen.figures.draw.scales import choose_labelled, choose_ticks, find_extent, write_ticks
from reportgen.figures.draw.step_axis import place_runs, write_step_axis
from reportgen.look.legible import make_legible
from reportgen.look.model_styles import ModelStyle
from reportgen.numerals import write_number

HEIGHT = 46.0
LOWEST = 0.9
"""Of that height, below which the run of a step would stand on the line."""
FLAT = 7.0
"""Height of a quantity that never moved: there is nothing to see but that it was measured."""
GAP = 8.0
NUMBERS = 46.0
"""Room for the numbers of the vertical axes, which stand below each other."""
NAME = 250.0
RUN_NAME = 100.0
"""Widest name of a run along the axis."""
BAND = 0.14
STROKE = 1.1
REACH = 0.5
"""How far before a run its change is marked: between the two runs that it lies between."""


def paint_timelines(timelines: Timelines, look: Look) -> Canvas:
    """Each quantity below its name and its last value, over one axis of runs at the foot."""
    across = (NUMBERS, look.width - 8)
    heights = [FLAT if _is_flat(one) else HEIGHT * max(look.tall, LOWEST) for one in timelines.timelines]
    foot = sum(LINE + height + GAP for height in heights)
    canvas = Canvas(look.width, foot + LINE + 4, look)
    top = 0.0
    for at, (one, height) in enumerate(zip(timelines.timelines, heights, strict=True)):
        box = (across[0], top + LINE, across[1], top + LINE + height)
        strip = _Strip(canvas, box, one, look.models[timelines.model], timelines)
        ends = {"x": [0, max(len(one.values) - 1, 1)], "y": [strip.low, strip.high]}
        canvas.frame(box, panel=at, name=make_legible(one.label), **ends)
        strip.paint()
        top += LINE + height + GAP
    if timelines.steps:
        write_step_axis(canvas, timelines.steps, across, foot)
    else:
        _name_runs(canvas, timelines.runs, across, foot)
    return canvas


def _is_flat(timeline: Timeline) -> bool:
    return len({value for value in timeline.values if np.isfinite(value)}) < 2


def _name_runs(canvas: Canvas, runs: Sequence[str], across: tuple[float, float], top: float) -> None:
    names = [canvas.lettering.shorten(run, RUN_NAME) for run in runs]
    left, right = across
    widest = max(map(canvas.lettering.width, names), default=0) + 14
    each = (right - left) / max(len(names) - 1, 1)
    named = list(choose_labelled(len(names), right - left, widest))
    if named and (len(names) - 1 - named[-1]) * each > widest:
        named.append(len(names) - 1)
    for at in named:
        x = left + at * each
        canvas.lines([((x, top - 3), (x, top))], canvas.theme.muted, 0.5)
        half = canvas.lettering.width(names[at]) / 2
        middle = min(max(x, half), canvas.look.width - half)
        canvas.write(middle, top + LINE / 2 + 1, names[at], colour=canvas.theme.muted, across="center")


class _Strip:
    """One quantity in its box, on its own scale."""

    def __init__(self, canvas: Canvas, box: Box, timeline: Timeline, look: ModelStyle, of: Timelines) -> None:
        self.canvas, self.box, self.timeline, self.look, self.runs = canvas, box, timeline, look, of.runs
        self.places = place_runs(len(of.runs), of.steps)
        self.theme = canvas.theme
        edges = [edge for band in timeline.bands for edge in (band.lower, band.upper)]
        self.low, self.high = find_extent((*timeline.values, *edges), margin=0.08)
        self.flat = _is_flat(timeline)

    def paint(self) -> None:
        """From what lies below to what lies above."""
        self._head()
        if not self.flat:
            self._axis()
        for band in self.timeline.bands:
            self._band(band)
        self._line()
        for run in self.timeline.breaks:
            self._draw_upright(self._x(run - REACH), self.theme.muted, (1, 2))
        self._steps()

    def _x(self, run: float) -> float:
        left, _, right, _ = self.box
        return left + (right - left) * float(np.interp(run, range(len(self.places)), self.places))

    def _y(self, value: float) -> float:
        _, top, _, bottom = self.box
        return bottom - (bottom - top) * (value - self.low) / (self.high - self.low)

    def _head(self) -> None:
        _, top, right, _ = self.box
        lettering = self.canvas.lettering
        known = [value for value in self.timeline.values if np.isfinite(value)]
        last = _write_last(known[-1]) if known else "–"
        room = right - lettering.width(last) - 6
        unit = lettering.shorten(self.timeline.unit, min(NAME / 2, room / 3))
        label = lettering.shorten(self.timeline.label, min(NAME, room - lettering.width(unit) - 6))
        self.canvas.write(0, top - LINE / 2, label)
        self.canvas.write(lettering.width(label) + 6, top - LINE / 2, unit, colour=self.theme.muted)
        self.canvas.write(right, top - LINE / 2, last, across="right")

    def _axis(self) -> None:
        left, top, right, _ = self.box
        marks = [
            mark for mark in choose_ticks(self.low, self.high, 3) if self._y(mark) > top + 4
        ]  # else it meets the name
        self.canvas.lines([((left, self._y(m)), (right, self._y(m))) for m in marks], self.theme.faint, 0.5)
        for mark, text in zip(marks, write_ticks(marks), strict=True):
            self.canvas.write(left - 5, self._y(mark), text, colour=self.theme.muted, across="right")

    def _band(self, band: Band) -> None:
        left, right = self._x(band.first - REACH), self._x(band.last + REACH)
        right = min(right, self.box[2])
        upper, lower = self._y(band.upper), self._y(band.lower)
        self._add(Rectangle(
            (left, upper), right - left, lower - upper, facecolor=self.look.colour, alpha=BAND, linewidth=0
        ))  # fmt: skip

    def _line(self) -> None:
        """The values, broken where there are none and where something else is measured; a lone value is a dot."""
        begins = [0, *self.timeline.breaks, len(self.timeline.values)]
        for start, end in pairwise(begins):
            values = np.asarray(self.timeline.values[start:end], dtype=float)
            known = np.concatenate([[False], np.isfinite(values), [False]])
            alone = (known[1:-1] & ~known[:-2] & ~known[2:]).nonzero()[0].tolist()
            y = [self._y(float(value)) if np.isfinite(value) else np.nan for value in values]
            self._add(Line2D(
                [self._x(start + at) for at in range(values.size)], y, color=self.look.colour,
                linewidth=STROKE * self.theme.lines,
                marker=self.look.marker, markersize=3 * self.theme.lines, markeredgewidth=0, markevery=alone,
            ))  # fmt: skip

    def _steps(self) -> None:
        """An upright stroke for each, with its run where there is room before the next, and the line is not."""
        left, top, right, bottom = self.box
        edges = [self._x(first - REACH) for first, _ in self.timeline.steps]
        for (first, last), x, following in zip(self.timeline.steps, edges, [*edges, right][1:], strict=True):
            self._draw_upright(x, self.theme.ink, ())
            if last > first:
                self._draw_upright(self._x(last), self.theme.ink, ())
                self.canvas.lines([((x, top), (self._x(last), top))], self.theme.ink, 0.7)
            name = self.canvas.lettering.shorten(self.runs[first], RUN_NAME)
            room = self.canvas.lettering.width(name) + 6
            rises = self.timeline.values[last] > self.timeline.values[first - 1]
            # The line is low before a rise and high after it; within a slow one it is still low at first.
            if room < following - x:
                y = bottom - LINE / 2 if rises == (last == first) else top + LINE / 2
                self.canvas.write(x + 3, y, name, colour=self.theme.muted)
            elif len(edges) == 1 and room < x - left:
                self.canvas.write(
                    x - 3, top + LINE / 2 if rises else bottom - LINE / 2, name, colour=self.theme.muted, across="right"
                )

    def _draw_upright(self, x: float, colour: str, dash: tuple[float, ...]) -> None:
        _, top, _, bottom = self.box
        width, style = 0.7 * self.theme.lines, (0, dash) if dash else "-"
        self._add(Line2D([x, x], [top, bottom], color=colour, linewidth=width, linestyle=style))

    def _add(self, artist: Rectangle | Line2D) -> None:
        left, top, right, bottom = self.box
        self.canvas.plane.add_artist(artist)
        artist.set_clip_path(self.canvas.clip((left - 2, top - 2, right + 2, bottom + 2)))


def _write_last(value: float) -> str:
    return make_legible(write_number(value, 4))
