"""Where the labels of points go."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reportgen.figures.draw.canvas import Box

CLEARANCE = 3.5
"""Points from a point's middle to its label."""
_DIRECTIONS = ((1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (-1, -1), (1, 1), (-1, 1))


def place_labels(
    points: NDArray[np.float64], sizes: Sequence[tuple[float, float]], box: Box, *, everyone: bool
) -> list[tuple[float, float] | None]:
    """(left, middle height) of each point's label, next to it and inside the box, where it hides least.

    One after the other: a label takes the first of eight places around its point (and eight a little further off)
    that is free, else the one that overlaps least, or None unless `everyone` has to be labelled.
    """
    taken = [(x - 2, y - 2, x + 2, y + 2) for x, y in points]
    found: list[tuple[float, float] | None] = []
    for (x, y), (width, height) in zip(points, sizes, strict=True):
        spots = [
            _place_spot(x, y, width, height, direction, distance)
            for distance in (CLEARANCE, 2.5 * CLEARANCE)
            for direction in _DIRECTIONS
        ]
        costs = [_measure_hidden(spot, taken, box) for spot in spots]
        best = int(np.argmin(costs))
        if costs[best] > 0 and not everyone:
            found.append(None)
            continue
        taken.append(spots[best])
        found.append((spots[best][0], (spots[best][1] + spots[best][3]) / 2))
    return found


def _place_spot(x: float, y: float, width: float, height: float, direction: tuple[int, int], distance: float) -> Box:
    right, down = direction
    left = x + (distance if right > 0 else -distance - width if right < 0 else -width / 2)
    middle = y + down * (distance + height / 2) * (0.8 if right else 1)
    return left, middle - height / 2, left + width, middle + height / 2


def _measure_hidden(spot: Box, taken: Sequence[Box], box: Box) -> float:
    """Area in which a label lies on others or on points; beyond the box it may not go."""
    left, top, right, bottom = spot
    others = np.array(taken)
    wide = np.minimum(right, others[:, 2]) - np.maximum(left, others[:, 0])
    high = np.minimum(bottom, others[:, 3]) - np.maximum(top, others[:, 1])
    outside = max(box[0] - left, 0) + max(right - box[2], 0) + max(box[1] - top, 0) + max(bottom - box[3], 0)
    return float((np.clip(wide, 0, None) * np.clip(high, 0, None)).sum() + outside * 1000)
