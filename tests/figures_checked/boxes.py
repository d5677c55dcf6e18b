"""Faults of texts by their boxes: cut off by the picture's edge, over each other, over another panel, out of a cell."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.figures.describe import TokenGrid
from tests.figures_checked.seen import Box, DrawnText, SeenFigure

SLACK = 0.07
"""Of the letters' size, by which boxes may reach over an edge or into each other: less than a stroke of a letter."""


def find_misplaced(figure: SeenFigure) -> Iterator[str]:
    """A line a fault."""
    yield from _find_clipped(figure)
    yield from _find_overlapping(figure.texts)
    yield from _find_across_panels(figure)
    yield from _find_out_of_cells(figure)


def _find_clipped(figure: SeenFigure) -> Iterator[str]:
    for text in figure.texts:
        slack = SLACK * text.size
        left, top, right, bottom = text.box
        over = max(-left, -top, right - figure.width, bottom - figure.height)
        if over > slack:
            yield f"{text.text!r} is cut off: {over:.1f} points of it lie beyond the edge"


def _find_overlapping(texts: Sequence[DrawnText]) -> Iterator[str]:
    if not texts:
        return
    boxes = _shrink(texts)
    left, top, right, bottom = boxes.T
    wide = np.minimum(right[:, None], right) - np.maximum(left[:, None], left)
    high = np.minimum(bottom[:, None], bottom) - np.maximum(top[:, None], top)
    for one, other in np.argwhere(np.triu((wide > 0) & (high > 0), 1)).tolist():
        size = f"{wide[one, other]:.1f} x {high[one, other]:.1f} points"
        yield f"{texts[one].text!r} and {texts[other].text!r} overlap by {size}"


def _shrink(texts: Sequence[DrawnText]) -> NDArray[np.float64]:
    """(text x 4) boxes without the slack that two of them may share."""
    boxes, sizes = np.array([text.box for text in texts]), np.array([text.size for text in texts])
    return boxes + np.outer(sizes, [SLACK / 2, SLACK / 2, -SLACK / 2, -SLACK / 2])


def _find_across_panels(figure: SeenFigure) -> Iterator[str]:
    """Texts that reach from one panel into another; or over the edge of a field of cells, which are filled."""
    for text in figure.texts:
        touched = [frame for frame in figure.frames if _overlap(text, frame["box"])]
        if len(touched) > 1:
            yield f"{text.text!r} reaches into {len(touched)} panels"
        for frame in touched:
            if {"rows", "columns"} <= frame.keys() and not _lies_within(text, frame["box"]):
                yield f"{text.text!r} reaches over the edge of the cells"


def _overlap(text: DrawnText, box: Box) -> bool:
    slack = SLACK * text.size
    left, top, right, bottom = text.box
    return min(right, box[2]) - max(left, box[0]) > slack and min(bottom, box[3]) - max(top, box[1]) > slack


def _lies_within(text: DrawnText, box: Box) -> bool:
    slack = SLACK * text.size
    left, top, right, bottom = text.box
    return left > box[0] - slack and top > box[1] - slack and right < box[2] + slack and bottom < box[3] + slack


def _find_out_of_cells(figure: SeenFigure) -> Iterator[str]:
    """Tokens wider than the cells on which they stand."""
    if not isinstance(figure.description, TokenGrid):
        return
    for frame in figure.frames:
        cell = _measure_cell(frame)
        for text in figure.texts:
            if _overlap(text, frame["box"]) and (over := text.box[2] - text.box[0] - cell) > SLACK * text.size:
                yield f"{text.text!r} is {over:.1f} points wider than its cell"


def _measure_cell(frame: dict[str, Any]) -> float:
    left, _, right, _ = frame["box"]
    return float(right - left) / max(int(frame["columns"]), 1)
