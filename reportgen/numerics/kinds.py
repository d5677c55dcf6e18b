"""How many kinds of thing there are in a collection of unequal parts.

The effective number exp(H), with H the entropy of the parts' shares (Hill 1973, "Diversity and Evenness", number of
order 1; Jost 2006): n equal parts are n kinds, one part that outweighs all others is hardly more than one. A bare count
would call a token that adds a thousandth as much a kind as that which adds all the rest.
"""

import math
from collections.abc import Iterable, Mapping


def effective_number(masses: Iterable[float]) -> float:
    """exp(−Σ p ln p) of parts that are not negative, p being each one's share; NaN where there is no mass at all."""
    known = [mass for mass in masses if mass > 0]
    whole = sum(known)
    if not whole:
        return math.nan
    return math.exp(-sum(mass / whole * math.log(mass / whole) for mass in known))


def sum_by_name(parts: Iterable[tuple[str, float]]) -> Mapping[str, float]:
    """Name -> the sum of all parts of that name."""
    sums: dict[str, float] = {}
    for name, mass in parts:
        sums[name] = sums.get(name, 0.0) + mass
    return sums
