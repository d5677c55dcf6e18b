"""At which layers words of one group lie together on the map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.probing.view import SubjectView

GATHERED = 0.75
"""Share of items whose nearest neighbour on the map is of their own group, from which the groups are gathered."""
BEYOND_CHANCE = 1.5
"""Times the share that items at random places would have, below which nothing is gathered."""


@dataclass(frozen=True)
class Gathering:
    """Where the groups lie apart. Layers are counted as the map has them."""

    shares: NDArray[np.float64]
    """(layer) share of items whose nearest neighbour is of their own group."""
    clear: NDArray[np.bool_]
    """(layer) whether the groups are gathered."""
    first: int | None
    """The layer from which on they are gathered to the end; None where they are not at the end."""
    best: int

    @property
    def told(self) -> list[int]:
        """The layers that a sentence about it names."""
        return sorted({self.best, *([] if self.first is None else [self.first])})


def judge_layers(view: SubjectView) -> Gathering | None:
    """Where words of one group have each other for neighbours; None where there are no groups, or no map."""
    groups = [str(group) for group in view.column("items", "group")]
    if len(set(groups)) < 2:
        return None
    shares = np.array([measure_own_neighbours(points, groups) for points in view.values("points")])
    if np.isnan(shares).all():
        return None
    clear = shares >= max(GATHERED, BEYOND_CHANCE * measure_share_by_chance(groups))
    unclear = np.flatnonzero(~clear)
    first = int(unclear[-1]) + 1 if len(unclear) else 0
    at_the_end = first < len(shares)
    # Of several layers as good as each other, the last: at the embedding it is the words alone that differ.
    best = max(range(first if at_the_end else 0, len(shares)), key=lambda i: (np.nan_to_num(shares[i]), i))
    return Gathering(shares, clear, first if at_the_end else None, best)


def measure_own_neighbours(points: NDArray[Any], groups: Sequence[str]) -> float:
    """Share of items with a group of several whose nearest neighbour is of it; NaN where the map is undefined.

    `points` is (item x component).
    """
    if not np.isfinite(points).all():
        return float("nan")
    apart = ((points[:, None] - points[None]) ** 2).sum(-1)
    np.fill_diagonal(apart, np.inf)
    counted = [item for item, group in enumerate(groups) if group and groups.count(group) > 1]
    if not counted:
        return float("nan")
    return sum(groups[int(apart[item].argmin())] == groups[item] for item in counted) / len(counted)


def measure_share_by_chance(groups: Sequence[str]) -> float:
    """What `measure_own_neighbours` would be if every other item were as likely the nearest."""
    counts = [groups.count(group) for group in groups if group and groups.count(group) > 1]
    return sum(count - 1 for count in counts) / (len(counts) * (len(groups) - 1))
