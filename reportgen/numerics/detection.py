"""How well something tells tokens on which a feature fires from those on which it does not: area under the curve.

The area under the receiver operating characteristic: the chance that a token of the one kind is scored above one of the
other, equal scores counting half. 0.5 for whatever knows nothing of the feature. A share of right answers is not
taken: it depends on how many of the tokens fire, and on a threshold. Cost: one comparison a pair of examples, which are
few; of a pattern, which matches or does not, four counts.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


def auc(firing: NDArray[Any], silent: NDArray[Any]) -> float:
    """The area of (example) scores of both kinds; NaN where there are none of one."""
    if not len(firing) or not len(silent):
        return math.nan
    apart = np.asarray(firing, np.float64)[:, None] - np.asarray(silent, np.float64)[None, :]
    return float(np.mean((apart > 0) + 0.5 * (apart == 0)))


def auc_of_pattern(hits: NDArray[Any], fired: NDArray[Any], matches: NDArray[Any], tokens: int) -> NDArray[np.float64]:
    """(feature) the area of patterns that match a token or do not: (1 + true positives' share - false positives') / 2.

    Args:
        hits: (feature) tokens that fire and match.
        fired: (feature) tokens that fire.
        matches: (feature) tokens that match.
        tokens: All of them. NaN where a feature fires on none or on all.
    """
    hits, fired, matches = (np.asarray(one, np.float64) for one in (hits, fired, matches))
    silent = tokens - fired
    with np.errstate(divide="ignore", invalid="ignore"):
        area: NDArray[np.float64] = (1.0 + hits / fired - (matches - hits) / silent) / 2.0
    return np.where((fired > 0) & (silent > 0), area, math.nan)
