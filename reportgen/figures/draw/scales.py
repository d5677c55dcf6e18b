"""Numbers along an axis: which are written, and how."""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import numpy as np
from matplotlib.ticker import MaxNLocator

from reportgen.numerals import write_decimals, write_number, write_setting

FINEST = 6
"""Decimals beyond which numbers of an axis are written with a power of ten."""
BETWEEN = 5.0
"""Points between two numbers of one line."""


def find_extent(values: Iterable[float], margin: float = 0.0) -> tuple[float, float]:
    """The range of the finite values, widened by a share of itself at both ends; never empty."""
    known = np.fromiter((v for v in values if np.isfinite(v)), dtype=float)
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    if high - low <= 1e-12 * max(abs(low), abs(high), 1e-300):
        half = abs(low) / 2 or 0.5
        return low - half, high + half
    room = (high - low) * margin
    return low - room, high + room


def choose_ticks(low: float, high: float, most: int = 6, *, whole: bool = False) -> list[float]:
    """A few round numbers from low to high; whole ones where the range allows it, or where nothing else is meant."""
    rounds = MaxNLocator(nbins=most, steps=[1, 2, 2.5, 5, 10], integer=whole or high - low >= most)
    slack = (high - low) * 1e-9
    return [float(tick) for tick in rounds.tick_values(low, high) if low - slack <= tick <= high + slack]


def choose_fitting_ticks(
    low: float, high: float, room: float, width: Callable[[str], float], most: int = 6, *, whole: bool = False
) -> list[float]:
    """The same along an axis of so many points: as many as stand apart. `width` is a text's."""
    for count in range(most, 0, -1):
        ticks = choose_ticks(low, high, count, whole=whole)
        widths = list(map(width, write_ticks(ticks)))
        apart = [(there - here) / (high - low) * room for here, there in pairwise(ticks)]
        if all(gap >= sum(two) / 2 + BETWEEN for gap, two in zip(apart, pairwise(widths), strict=True)):
            return ticks
    return ticks[:1]


def write_alike(values: Sequence[float]) -> list[str]:
    """Numbers that are read one below the other: as many decimals each as give the largest three digits."""
    most = max((abs(value) for value in values if np.isfinite(value)), default=0.0)
    if not 1e-3 <= most < 1e9:
        return [write_number(value) for value in values]
    decimals = max(0, 2 - int(np.floor(np.log10(most))))
    return [write_decimals(value, decimals) for value in values]


def write_ticks(values: Iterable[float]) -> list[str]:
    """Numbers of one axis, all with as many decimals as the finest of them needs."""
    values = list(values)
    decimals = max((_decimals(value) for value in values), default=0)
    return [write_setting(v) if decimals > FINEST else write_decimals(v, decimals) for v in values]


def choose_labelled(count: int, room: float, each: float) -> range:
    """Which of `count` neighbours, evenly spaced over `room`, are labelled so that each label has its share."""
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500, max(count, 1000)) if s * room >= each * max(count, 1))
    return range(0, count, step)


def _decimals(value: float) -> int:
    text = f"{value:.10f}".rstrip("0")
    return len(text) - text.index(".") - 1
