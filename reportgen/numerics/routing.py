"""How a router spreads tokens over experts, and how clearly it decides.

A route is one token in one block; a slot is one of the k experts that it takes. Shared experts, which every token
takes, are none of these. All in float64; 0 ln 0 is 0.
"""

import math

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Chosen = NDArray[np.bool_]
"""(token x … x expert) true where the expert computes."""


def load_of(chosen: Chosen) -> Numbers:
    """(… x expert) share of the slots of all tokens that each expert takes: 1 / E each if they are used evenly, and 1
    in all (Shazeer et al. 2017; f of Fedus et al. 2022, where k is 1).
    """
    counts = chosen.sum(axis=0, dtype=np.float64)
    load: Numbers = counts / counts.sum(axis=-1, keepdims=True)
    return load


def spread_of(shares: Numbers) -> Numbers:
    """(…) entropy of (… x expert) shares over that of even ones, log E: from 0, all in one, to 1, all alike."""
    logs = np.log(np.where(shares > 0, shares, 1.0))
    spread: Numbers = -(shares * logs).sum(axis=-1) / math.log(shares.shape[-1])
    return spread


def margin_of(scores: Numbers, chosen: Chosen) -> Numbers:
    """(token x …) score of the last expert chosen less that of the first left out; NaN where no other could have been.

    Below 0 if the scores are those of another pass: then that pass chooses otherwise.
    """
    last = np.where(chosen, scores, np.inf).min(axis=-1)
    first = np.where(chosen, -np.inf, scores).max(axis=-1)
    return np.where(np.isneginf(first), np.nan, last - np.where(np.isneginf(first), 0.0, first))


def find_flips(one: Chosen, other: Chosen) -> Chosen:
    """(token x …) whether another set of experts is chosen."""
    found: Chosen = (one != other).any(axis=-1)
    return found


def noise_of(margins: Numbers, rounded: Numbers, flipped: Chosen, least: Numbers) -> Numbers:
    """(block) the margin up to which rounding may decide.

    Args:
        margins: (token x block) as the model decides.
        rounded: (token x block) margins of the same experts by the scores of a pass that was rounded otherwise.
        flipped: (token x block) where that pass chose other experts.
        least: (block) what a score can at least be wrong by.

    The largest move of a margin, or the largest margin that rounding overcame where that is more.
    """
    moved = np.abs(rounded - margins)
    known = np.where(np.isfinite(moved), moved, 0.0)
    overcome = np.where(flipped & np.isfinite(margins), margins, 0.0)
    noise: Numbers = np.maximum(np.maximum(known, overcome).max(axis=0, initial=0.0), least)
    return noise


def chance_of_busiest(count: int, tokens: int, taken: int, experts: int) -> float:
    """Bound on the probability that any of E experts is chosen by so many of n tokens, if each takes k at random.

    E times the upper tail of a binomial distribution of n and k / E (Bonferroni).
    """
    share = taken / experts
    if count <= 0 or share >= 1.0:
        return 1.0
    logs = [
        math.lgamma(tokens + 1) - math.lgamma(at + 1) - math.lgamma(tokens - at + 1)
        + at * math.log(share) + (tokens - at) * math.log1p(-share)
        for at in range(count, tokens + 1)
    ]  # fmt: skip
    return min(1.0, experts * math.fsum(math.exp(one) for one in logs))


def expect_unused(tokens: int, taken: int, experts: int) -> float:
    """How many of E experts none of n tokens would choose, if each takes k at random: E (1 - k / E)^n."""
    return experts * (1.0 - taken / experts) ** tokens
