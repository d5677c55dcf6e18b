"""Words on a line, joined by arcs: one tree above them, another below."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from reportgen.figures.describe import Arcs
from reportgen.figures.draw.canvas import Canvas
from reportgen.figures.draw.lettering import LINE
from reportgen.figures.draw.look import Look

WORD = 120.0
"""Widest word."""
GAP = 9.0
"""Points between two words on the line."""
UPRIGHT = 10.0
"""The same from the middle of one to the middle of the next, where they stand upright."""
LEVEL, LOWEST = 11.0, 5.0
"""Points by which an arc rises over those that it spans, and the least of it."""
ASIDE = 1.5
"""Points beside a word's middle at which its arcs to either side end."""
BENDS = 24
SAMPLE = 18.0
DASH = (3.0, 2.0)
Edge = tuple[int, int]


@dataclass(frozen=True)
class _Line:
    """Where the words stand: their middles, what they take upwards, and whether they are turned."""

    words: Sequence[str]
    middles: Sequence[float]
    width: float
    height: float
    upright: bool


def paint_arcs(arcs: Arcs, look: Look) -> Canvas:
    """What is above is named above it. Below it, arcs that are above too are solid, the others dashed."""
    line = _place_words(arcs.words, look)
    levels = {edge: level for edges in (arcs.above, arcs.below) for edge, level in _stack(edges)}
    high, deep = (max((levels[edge] for edge in edges), default=0) for edges in (arcs.above, arcs.below))
    keys = [look.lettering.shorten(text, look.width - SAMPLE) for text in (arcs.below_label, arcs.other_label)]
    heading = look.lettering.break_lines(arcs.above_label, look.width)
    taken = line.height + (len(heading) + len(keys)) * LINE + 12
    level = min(LEVEL, max(look.room_below(taken) / max(high + deep, 1), LOWEST))
    top = len(heading) * LINE + 4 + high * level
    bottom = top + line.height
    foot = bottom + deep * level + 8
    widest = max([line.width, *(SAMPLE + look.lettering.width(text) for text in keys)])
    canvas = Canvas(widest, foot + len(keys) * LINE, look)

    canvas.frame((0, top, line.width, bottom), columns=len(line.words))
    for at, text in enumerate(heading):
        canvas.write(0, (at + 0.5) * LINE, text, colour=canvas.theme.muted)
    for word, middle in zip(line.words, line.middles, strict=True):
        canvas.write(middle, (top + bottom) / 2, word, across="center", rotation=90 if line.upright else 0)
    above = [_bend(line, edge, top, -level * levels[edge]) for edge in arcs.above]
    known = set(arcs.above)
    right = [_bend(line, edge, bottom, level * levels[edge]) for edge in arcs.below if edge in known]
    wrong = [_bend(line, edge, bottom, level * levels[edge]) for edge in arcs.below if edge not in known]
    colour = look.models[arcs.model].colour
    canvas.lines(above, canvas.theme.muted, 0.8)
    for paths, ink, width, dash, text, y in (
        (right, colour, 1.3, (), keys[0], foot + LINE / 2),
        (wrong, canvas.theme.muted, 0.9, DASH, keys[1], foot + 1.5 * LINE),
    ):
        canvas.lines([*paths, [(0, y), (SAMPLE - 5, y)]], ink, width, dash)
        canvas.write(SAMPLE, y, text)
    return canvas


def _place_words(words: Sequence[str], look: Look) -> _Line:
    """Next to each other; where there is no room for that, upright, and the line as long as that takes."""
    shown = [look.lettering.shorten(word, WORD) for word in words]
    widths = [look.lettering.width(word) for word in shown]
    across = sum(widths) + GAP * (len(widths) - 1)
    if across <= look.width:
        ends = accumulate(width + GAP for width in widths)
        middles = [end - GAP - width / 2 for end, width in zip(ends, widths, strict=True)]
        return _Line(shown, middles, across, LINE + 2, upright=False)
    step = max(UPRIGHT, look.width / len(words))
    middles = [(at + 0.5) * step for at in range(len(words))]
    return _Line(shown, middles, step * len(words), max(widths) + 6, upright=True)


def _stack(edges: Sequence[Edge]) -> Iterator[tuple[Edge, int]]:
    """How high each arc rises: by one more than the highest of those that it spans."""
    levels: dict[Edge, int] = {}
    for edge in sorted(edges, key=lambda one: one[1] - one[0]):
        within = [level for (first, second), level in levels.items() if edge[0] <= first and second <= edge[1]]
        levels[edge] = 1 + max(within, default=0)
    yield from levels.items()


def _bend(line: _Line, edge: Edge, foot: float, rise: float) -> NDArray[np.float64]:
    """(point x 2) half an ellipse from one word to the other; upwards where `rise` is below 0."""
    left, right = line.middles[edge[0]] + ASIDE, line.middles[edge[1]] - ASIDE
    turn = np.linspace(np.pi, 0, BENDS)
    x = (left + right) / 2 + (right - left) / 2 * np.cos(turn)
    return np.stack([x, foot + rise * np.sin(turn)], axis=1)
