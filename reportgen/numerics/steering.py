"""Directions between two sets of vectors, what they are compared with, and the rules by which a place is chosen.

The difference of means is taken as it is, in float64, as most papers do; a logistic probe's weights tell the sets apart
better and steer worse, as they lean on dimensions that hardly vary. A direction is held against a random one of its
length, and one between sets shuffled together: what those do as well is no finding. Cost: one pass over the rows.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from array_api_compat import array_namespace

from reportgen.numerics.one_thread import hold_one_thread

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Rows = Any
"""A numpy array or torch tensor."""

MOST_KL = 0.1
"""In the paper's rule: KL(unsteered || ablated) on harmless prompts, at most."""
DEEPEST = 0.8
"""In the paper's rule: the share of the depth below which a layer has to lie."""


def difference_of_means(towards: NDArray[np.floating], away: NDArray[np.floating]) -> NDArray[np.float64]:
    """(width) mean of (n x width) rows less the mean of (m x width) rows, summed in float64; not normalised."""
    import numpy as np

    difference: NDArray[np.float64] = towards.mean(axis=0, dtype=np.float64) - away.mean(axis=0, dtype=np.float64)
    return difference


def paired_direction(towards: NDArray[np.floating], away: NDArray[np.floating]) -> NDArray[np.float64]:
    """(width) what the differences of (n x width) paired rows have most in common.

    The first principal component of the differences about 0, not about their mean, which is what is looked for (Zou et
    al. 2023). It points from `away` to `towards`, and is as long as the mean difference is along it.
    """
    import numpy as np

    differences = towards.astype(np.float64) - away.astype(np.float64)
    with hold_one_thread():
        component = np.linalg.svd(differences, full_matrices=False)[2][0]
    direction: NDArray[np.float64] = (differences.mean(axis=0) @ component) * component
    return direction


METHODS: dict[str, Callable[[Any, Any], Any]] = {
    "difference_of_means": difference_of_means,
    "paired_pca": paired_direction,
}
"""What each way to find a direction is called."""


def split_shuffled(towards: int, away: int, seed: int) -> tuple[list[int], list[int]]:
    """Two halves of both sets, so mixed that nothing of what tells the sets apart is left between them.

    Numbers below `towards` are rows of the first set, the others of the second. Each half holds as many of either set,
    and rows of one place in the halves are of one set; of an odd number one row is left out.
    """
    generator = random.Random(f"shuffled {seed}")
    one: list[int] = []
    other: list[int] = []
    for rows in (list(range(towards)), list(range(towards, towards + away))):
        generator.shuffle(rows)
        half = len(rows) // 2
        one += rows[:half]
        other += rows[half : 2 * half]
    return one, other


def random_direction(width: int, layer: int, seed: int, draw: int = 0) -> NDArray[np.float64]:
    """(width) of length 1, uniform over all directions; another one for each draw."""
    import numpy as np

    drawn = np.random.default_rng([abs(seed), layer, *([draw] if draw else [])]).standard_normal(width)
    return drawn / np.linalg.norm(drawn)


def scale_to_length(direction: NDArray[np.float64], length: float) -> NDArray[np.float64]:
    """(width) the same direction with another length; 0 where it has none."""
    import numpy as np

    own = float(np.linalg.norm(direction))
    return direction * (length / own) if own else direction


def set_mass(log_p: Rows, counted: Rows) -> tuple[Rows, Rows]:
    """(row) probability p of a set of tokens, and ln p − ln(1 − p), from (row x vocabulary) log-probabilities.

    `counted` is (vocabulary) true for the tokens of the set. 1 − p is summed over all others, so that nothing is lost
    where p is near 1.
    """
    xp = array_namespace(log_p)
    p = xp.exp(log_p)
    nothing = xp.zeros_like(p)
    inside = xp.sum(xp.where(counted, p, nothing), axis=-1)
    outside = xp.sum(xp.where(counted, nothing, p), axis=-1)
    return inside, xp.log(inside) - xp.log(outside)


def mean_of_defined(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """(…) mean over the first axis of what is finite; NaN where that is less than half."""
    import numpy as np

    known = np.isfinite(values)
    count = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0, dtype=np.float64)
    enough = 2 * count >= len(values)
    return np.where(enough, total / np.maximum(count, 1), np.nan)


def best_cell(
    score: NDArray[np.floating], price: NDArray[np.floating], allowed: NDArray[np.bool_], *, lowest: bool
) -> tuple[int, int] | None:
    """(layer, item) where a (layer x item) score is highest (or lowest) among what is allowed and finite; of equals the
    one of the lowest price, then the first; None where there is none.
    """
    import numpy as np

    usable = allowed & np.isfinite(score)
    if not usable.any():
        return None
    signed = np.where(usable, -score if lowest else score, -np.inf)
    equals = np.where(signed == signed.max(), price, np.inf)
    layer, item = np.unravel_index(int(equals.argmin()), score.shape)
    return int(layer), int(item)


def broken_constraints(layer: int, depth: int, kl: float, inducing: float) -> Sequence[str]:
    """Which constraints of the paper's rule (Arditi et al. 2024) a layer does not keep: kl, inducing, depth.

    Args:
        layer: the layer that the direction was taken at.
        depth: number of blocks.
        kl: mean KL(unsteered || ablated) on harmless prompts, in nats.
        inducing: mean refusal score of harmless prompts with the direction added.
    """
    kept = {"kl": kl <= MOST_KL, "inducing": inducing > 0, "depth": layer < DEEPEST * depth}
    return [name for name, is_kept in kept.items() if not is_kept or math.isnan(kl)]
