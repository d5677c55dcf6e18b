"""How a head looks from one word at another, cell by cell."""

from collections.abc import Sequence

import numpy as np


def look_weight(pattern: np.ndarray, queries: Sequence[int], keys: Sequence[int], *, wrong: str = "") -> float:
    """Of one head's (query x key) pattern. `wrong`: `mean_of_keys` or `last_query`, which a test must tell apart."""
    rows = queries[-1:] if wrong == "last_query" else queries
    total = 0.0
    for query in rows:
        on_word = [float(pattern[query][key]) for key in keys]
        total += sum(on_word) / (len(on_word) if wrong == "mean_of_keys" else 1)
    return total / len(rows)


def share_below(pattern: np.ndarray, weight: float, *, wrong: str = "") -> float:
    """Share of the pairs with less; `wrong`: `with_sink` counts position 0 too, `all_cells` what the mask hides too."""
    least = 0 if wrong == "with_sink" else 1
    pairs = [
        float(pattern[query][key])
        for query in range(len(pattern))
        for key in range(least, len(pattern) if wrong == "all_cells" else query + 1)
    ]
    return sum(one < weight for one in pairs) / len(pairs)
