"""Which rows are held out of training: drawn from a seed before any number is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def draw_held_out(count: int, share: float, seed: int) -> NDArray[np.bool_]:
    """(row) whether it is held out: this share of them, rounded, without regard to what they are."""
    import numpy as np

    held = np.zeros(count, dtype=bool)
    held[np.random.default_rng(seed).permutation(count)[: round(share * count)]] = True
    return held


def shuffle_rows(count: int, seed: int) -> NDArray[np.int64]:
    """(row) whose targets it is given in the control; other numbers than those of `draw_held_out` at the same seed."""
    import numpy as np

    order: NDArray[np.int64] = np.random.default_rng([seed, 1]).permutation(count)
    return order
