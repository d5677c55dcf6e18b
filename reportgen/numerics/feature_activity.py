"""What the features of a dictionary do over the tokens of prompts: all numbers from the few that fire, in float64.

A (token x feature) matrix is held as its entries above 0: a hundred in 16,384. The effect size is Cohen's d between
prompts' means where there are prompts enough: tokens of one prompt are not independent, and would make any difference
large. What chance gives is found by dealing the prompts anew (a permutation test of the largest effect of any feature,
which needs no correction for how many there are); a bound a feature would call some of 16,384 different by chance.
Cost: linear in what fires; a deal is one pass over (prompt x feature) means.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Activity:
    """A (token x feature) matrix of mostly zeros, of one prompt."""

    tokens: int
    features: int
    row: NDArray[np.int64]
    """(n) ascending"""
    feature: NDArray[np.int64]
    """(n)"""
    value: NDArray[np.float64]
    """(n) above 0"""

    def counts(self) -> NDArray[np.int64]:
        """(token) how many features fire: its L0."""
        import numpy as np

        return np.bincount(self.row, minlength=self.tokens)

    def firing_counts(self) -> NDArray[np.int64]:
        """(feature) tokens on which it fires."""
        import numpy as np

        return np.bincount(self.feature, minlength=self.features)

    def sums(self) -> NDArray[np.float64]:
        """(feature) over the tokens."""
        return self._sum_by_feature(self.value)

    def squares(self) -> NDArray[np.float64]:
        """(feature) sums of squares over the tokens."""
        return self._sum_by_feature(self.value**2)

    def _sum_by_feature(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        import numpy as np

        return np.bincount(self.feature, weights=values, minlength=self.features).astype(np.float64)

    def maxima(self) -> NDArray[np.float64]:
        """(feature) over the tokens; 0 where it does not fire."""
        import numpy as np

        most = np.zeros(self.features)
        np.maximum.at(most, self.feature, self.value)
        return most

    def column(self, feature: int) -> NDArray[np.float64]:
        """(token) activations of one feature."""
        import numpy as np

        found = np.zeros(self.tokens)
        at = self.feature == feature
        found[self.row[at]] = self.value[at]
        return found

    def keep(self, kept: NDArray[np.bool_]) -> Activity:
        """What is left where only some tokens count; `kept` has a truth value a token."""
        import numpy as np

        here = kept[self.row]
        places = np.cumsum(kept) - 1
        return Activity(int(kept.sum()), self.features, places[self.row[here]], self.feature[here], self.value[here])

    def strongest_of_tokens(self, k: int) -> Iterator[tuple[int, int, int, float]]:
        """(token, rank from 1, feature, activation) of the k strongest of each token; equal ones by number."""
        import numpy as np

        order = np.lexsort((self.feature, -self.value, self.row))
        rank, last = 0, -1
        for at in order.tolist():
            token = int(self.row[at])
            rank, last = (rank + 1 if token == last else 1), token
            if rank <= k:
                yield token, rank, int(self.feature[at]), float(self.value[at])


def select_top(values: NDArray[np.float64], k: int) -> list[int]:
    """The places of the k largest of values above 0; equal ones in their order."""
    import numpy as np

    order = np.argsort(-values, kind="stable")[:k]
    return [int(at) for at in order if values[at] > 0]


@dataclass(frozen=True)
class Contrast:
    """Two sets of prompts, feature by feature."""

    mean_a: NDArray[np.float64]
    """(feature) mean over the prompts of the mean over their tokens."""
    mean_b: NDArray[np.float64]
    effect: NDArray[np.float64]
    """(feature) mean_a - mean_b over the pooled standard deviation; NaN where that is 0."""

    @property
    def difference(self) -> NDArray[np.float64]:
        """(feature) mean_a - mean_b."""
        return self.mean_a - self.mean_b


def contrast(a: Sequence[Activity], b: Sequence[Activity]) -> Contrast:
    """Which features differ: between prompts where both sets have two or more, else between tokens.

    The pooled standard deviation is sqrt(((n_a - 1) s_a² + (n_b - 1) s_b²) / (n_a + n_b - 2)) with s² of prompts' means
    (n - 1 below), or of all tokens of the set.
    """
    import numpy as np

    if min(len(a), len(b)) >= 2:
        return contrast_prompts(means_of(a), means_of(b))
    means = [means_of(one).mean(0) for one in (a, b)]
    counts = [sum(prompt.tokens for prompt in one) for one in (a, b)]
    scatter = np.zeros_like(means[0])
    for prompts, count in zip((a, b), counts, strict=True):
        total = np.sum([prompt.sums() for prompt in prompts], axis=0)
        scatter += np.sum([prompt.squares() for prompt in prompts], axis=0) - total**2 / max(count, 1)
    return _contrast(means[0], means[1], scatter / max(sum(counts) - 2, 1))


def means_of(prompts: Sequence[Activity]) -> NDArray[np.float64]:
    """(prompt x feature) means over the tokens."""
    import numpy as np

    return np.stack([prompt.sums() / max(prompt.tokens, 1) for prompt in prompts])


def contrast_prompts(a: NDArray[np.float64], b: NDArray[np.float64]) -> Contrast:
    """The contrast of two (prompt x feature) sets of means."""
    scatter = ((a - a.mean(0)) ** 2).sum(0) + ((b - b.mean(0)) ** 2).sum(0)
    return _contrast(a.mean(0), b.mean(0), scatter / (len(a) + len(b) - 2))


def _contrast(a: NDArray[np.float64], b: NDArray[np.float64], variance: NDArray[np.float64]) -> Contrast:
    import numpy as np

    scale = np.maximum(a, b)  # what rounding leaves of a variance that is 0 is no variance
    spread = np.where(variance > 1e-18 * scale**2, variance, np.nan) ** 0.5
    return Contrast(a, b, (a - b) / spread)


def permute_largest_effect(
    a: NDArray[np.float64], b: NDArray[np.float64], deals: int, seed: int
) -> NDArray[np.float64]:
    """(deal) the largest |effect| of any feature where the prompts are dealt to the two sets at random.

    Deals that are the sets themselves, or these the other way around, are left out; where there are few others, each
    of them is made once.
    """
    import numpy as np

    together, count = np.concatenate([a, b]), len(a)
    generator, own = random.Random(seed), frozenset(range(count))
    others = frozenset(range(count, len(together)))
    made: dict[frozenset[int], None] = {}
    possible = math.comb(len(together), count) - (2 if len(a) == len(b) else 1)
    while len(made) < min(deals, possible):
        dealt = frozenset(generator.sample(range(len(together)), count))
        if dealt not in (own, others):
            made[dealt] = None
    found = []
    for dealt in made:
        chosen = np.array([place in dealt for place in range(len(together))])
        effect = np.abs(contrast_prompts(together[chosen], together[~chosen]).effect)
        found.append(float(np.nanmax(effect, initial=0.0)))
    return np.array(found)
