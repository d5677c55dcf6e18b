"""How much of what tells two prompts apart a patch brings back.

Of logit differences, not of probabilities: these saturate, and a patch that does half of the work would seem to do
nothing or everything (Zhang & Nanda 2024). A difference of less than half a logit between the prompts divides noise by
noise: then there is no share. Cost: that of the passes; here one subtraction a patch.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

CLEAR_DIFFERENCE = 0.5
"""Logits by which the two prompts must differ in what they say of the two answers: a share of less is not defined."""


def recovered_difference(patched: NDArray[Any], clean: float, corrupted: float) -> NDArray[np.float64]:
    """(…) (patched − corrupted) / (clean − corrupted), of logit differences: 0 as the corrupted prompt, 1 as the clean
    one (Wang et al. 2022; Zhang & Nanda 2024). NaN where clean and corrupted are less than `CLEAR_DIFFERENCE` apart.
    """
    found = np.asarray(patched, dtype=np.float64)
    if not abs(clean - corrupted) >= CLEAR_DIFFERENCE:
        return np.full(found.shape, np.nan)
    return (found - corrupted) / (clean - corrupted)


def stays_from(shares: NDArray[Any], least: float) -> int | None:
    """The first place of (layer) shares from which on all of them are at least so large; None where the last is not."""
    below = np.flatnonzero(~(shares >= least))
    first = int(below[-1]) + 1 if len(below) else 0
    return first if first < len(shares) else None
