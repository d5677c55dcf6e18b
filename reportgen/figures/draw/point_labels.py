"""Where the labels of points go."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reportgen.figures.draw.canvas import Box

Point = tuple[float, float]

CLEARANCE = 3.5
"""Points from a point's middle to its label."""
NEXT_TO = (CLEARANCE, 2.5 * CLEARANCE)
FURTHER_OFF = (14.0, 20.0, 28.0, 38.0, 50.0)
"""The same of a label that a line leads to."""
AROUND = 24
"""Directions of such labels."""
APART = 3.0
"""Points between two labels on one line."""
_DIRECTIONS = ((1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (-1, -1), (1, 1), (-1, 1))


@dataclass(frozen=True)
class LabelSpot:
    """Where a label stands, and the line that leads to it from its point, if it does not stand next to it."""

    left: float
    middle: float
    """Its middle height."""
    leader: tuple[Point, Point] | None = None


def place_labels(
    points: NDArray[np.float64],
    sizes: Sequence[tuple[float, float]],
    box: Box,
    *,
    led: bool,
    others: NDArray[np.float64] | None = None,
) -> list[LabelSpot | None]:
    """The spot of each point's label, of these widths and heights: inside the box, over no other label and no point,
    nor over one of the `others`, which have no label.

    One after the other, a label takes the first of eight places around its point, and of eight a little further off,
    that is free. Then lines lead to the labels that are left, if they may be `led` to. None where no place is free: of
    two labels over each other neither can be read.
    """
    bare = [] if others is None else others.tolist()
    taken = [(x - 2, y - 2, x + 2, y + 2) for x, y in [*points.tolist(), *bare]]
    found: list[LabelSpot | None] = [None] * len(points)
    for at, ((x, y), size) in enumerate(zip(points, sizes, strict=True)):
        for spot in _list_near_spots(x, y, *size):
            if _is_free(spot, taken, box):
                taken.append(_widen(spot))
                found[at] = LabelSpot(spot[0], (spot[1] + spot[3]) / 2)
                break
    for at in (at for at, spot in enumerate(found) if spot is None and led):
        (x, y), size = points[at], sizes[at]
        but_own = [*taken[:at], *taken[at + 1 :]]  # a line begins at its own point
        for spot in _list_far_spots(x, y, *size):
            line = ((x, y), _find_nearest(spot, x, y))
            if _is_free(spot, taken, box) and all(_is_free(piece, but_own, box) for piece in _cover_line(*line)):
                taken += [_widen(spot), *_cover_line(*line)]
                found[at] = LabelSpot(spot[0], (spot[1] + spot[3]) / 2, line)
                break
    return found


def _list_near_spots(x: float, y: float, width: float, height: float) -> Iterator[Box]:
    for distance in NEXT_TO:
        for direction in _DIRECTIONS:
            yield _place_spot(x, y, width, height, direction, distance)


def _list_far_spots(x: float, y: float, width: float, height: float) -> Iterator[Box]:
    for distance in FURTHER_OFF:
        for angle in np.arange(AROUND) * (2 * np.pi / AROUND):
            left = x + float(np.cos(angle)) * (distance + width / 2) - width / 2
            top = y + float(np.sin(angle)) * (distance + height / 2) - height / 2
            yield left, top, left + width, top + height


def _place_spot(x: float, y: float, width: float, height: float, direction: tuple[int, int], distance: float) -> Box:
    right, down = direction
    left = x + (distance if right > 0 else -distance - width if right < 0 else -width / 2)
    middle = y + down * (distance + height / 2) * (0.8 if right else 1)
    return left, middle - height / 2, left + width, middle + height / 2


def _widen(spot: Box) -> Box:
    """What a label keeps free of others."""
    left, top, right, bottom = spot
    return left - APART, top, right + APART, bottom


def _find_nearest(spot: Box, x: float, y: float) -> Point:
    """Where a line from a point meets a label: a little before it."""
    left, top, right, bottom = spot
    return min(max(x, left - 1), right + 1), min(max(y, top), bottom)


def _cover_line(start: Point, end: Point) -> list[Box]:
    """Small boxes along a line, but for its ends, which stand at the point and at the label."""
    count = max(3, int(np.hypot(end[0] - start[0], end[1] - start[1]) / 3))
    across, down = (np.linspace(a, b, count)[1:-1].tolist() for a, b in zip(start, end, strict=True))
    return [(x - 0.5, y - 0.5, x + 0.5, y + 0.5) for x, y in zip(across, down, strict=True)]


def _is_free(spot: Box, taken: Sequence[Box], box: Box) -> bool:
    """Whether a spot lies in the box and over nothing that is there."""
    left, top, right, bottom = spot
    if left < box[0] or top < box[1] or right > box[2] or bottom > box[3]:
        return False
    others = np.array(taken).reshape(-1, 4)
    apart = (right <= others[:, 0]) | (left >= others[:, 2]) | (bottom <= others[:, 1]) | (top >= others[:, 3])
    return bool(apart.all())
