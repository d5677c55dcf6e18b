"""What features of one dictionary do differently in two models that read the same prompts, held against chance.

A paired test: each prompt is its own control, so that what prompts differ in drops out. A feature counts where its mean
difference exceeds two standard errors and what another kernel's rounding moves; how many would by chance is counted by
giving each prompt's differences a sign at random, all features together, so that their dependence stays as it is. A
t-test a feature with a correction is not taken: it supposes features independent. Cost: one product of
(flip x prompt) signs with (prompt x feature) differences.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reportgen.numerics.feature_activity import Activity

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FEWEST = 3
"""Prompts of which a spread says anything."""
BEYOND = 2.0
"""Standard errors that a difference must exceed to be one."""
ROUNDING = 1e-4
"""Share of the larger mean that it must exceed too: another kernel moves activations by a tenth of it."""


@dataclass(frozen=True)
class Changes:
    """The same prompts in two models, feature by feature; means over the prompts of what each has."""

    mean_base: NDArray[np.float64]
    """(feature)"""
    mean_other: NDArray[np.float64]
    standard_error: NDArray[np.float64]
    """(feature) of the mean of the prompts' differences: their standard deviation (n - 1 below) over sqrt(n)."""
    by_chance: NDArray[np.int64]
    """(flip) how many features would be `beyond` with each prompt's differences given a sign at random."""

    @property
    def difference(self) -> NDArray[np.float64]:
        """(feature) mean_other - mean_base."""
        return self.mean_other - self.mean_base

    @property
    def beyond(self) -> NDArray[np.bool_]:
        """(feature) whether the difference counts: it exceeds 2 standard errors, and what rounding moves."""
        return _exceeds_error(self.difference, self.standard_error, _rounding_floor(self.mean_base, self.mean_other))


def changes(base: NDArray[np.float64], other: NDArray[np.float64], flips: int, seed: int) -> Changes:
    """Of two (prompt x feature) sets of means, prompts in the same order."""
    import numpy as np

    apart, count = other - base, len(base)
    one, two = base.mean(0), other.mean(0)
    some = (apart != 0).any(0)  # a feature that no prompt moves is beyond nothing, whatever the signs
    squares, floor = (apart[:, some] ** 2).sum(0), _rounding_floor(one, two)[some]
    found = []
    for signs in _draw_signs(count, flips, seed):
        mean = signs @ apart[:, some] / count
        variance = np.maximum(squares - count * mean**2, 0.0) / (count - 1)
        found.append(int(_exceeds_error(mean, np.sqrt(variance / count), floor).sum()))
    error = apart.std(0, ddof=1) / math.sqrt(count)
    return Changes(one, two, error, np.array(found, np.int64))


def share_in_common(base: Activity, other: Activity) -> NDArray[np.float64]:
    """(token) features that fire in both, as a share of those that fire in either; NaN where none does."""
    import numpy as np

    ours, theirs = (one.row * one.features + one.feature for one in (base, other))
    both = np.bincount(np.intersect1d(ours, theirs) // base.features, minlength=base.tokens)
    either = base.counts() + other.counts() - both
    return np.where(either > 0, both / np.maximum(either, 1), np.nan)


def shift_half_text(activity: Activity) -> Activity:
    """The same with every token's features given to the one half the text further on, around its end."""
    import numpy as np

    row = (activity.row + activity.tokens // 2) % max(activity.tokens, 1)
    order = np.argsort(row, kind="stable")
    return Activity(activity.tokens, activity.features, row[order], activity.feature[order], activity.value[order])


def part_of(activity: Activity, first: int, end: int) -> Activity:
    """The tokens from `first` up to `end`, as a text of their own."""
    import numpy as np

    start, stop = np.searchsorted(activity.row, [first, end])
    held = slice(int(start), int(stop))
    return Activity(
        end - first, activity.features, activity.row[held] - first, activity.feature[held], activity.value[held]
    )


def _exceeds_error(
    mean: NDArray[np.float64], error: NDArray[np.float64], floor: NDArray[np.float64]
) -> NDArray[np.bool_]:
    import numpy as np

    return np.asarray(np.abs(mean) > np.maximum(BEYOND * error, floor))


def _rounding_floor(one: NDArray[np.float64], two: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    return ROUNDING * np.maximum(one, two)


def _draw_signs(count: int, flips: int, seed: int) -> list[NDArray[np.float64]]:
    """Different signs of `count` prompts, the last one's always +; not all + (the prompts as they are)."""
    import numpy as np

    generator = random.Random(seed)
    made: dict[int, None] = {}
    while len(made) < min(flips, 2 ** (count - 1) - 1):
        drawn = generator.getrandbits(count - 1)
        if drawn:
            made[drawn] = None
    return [np.array([-1.0 if bits >> at & 1 else 1.0 for at in range(count)]) for bits in made]
