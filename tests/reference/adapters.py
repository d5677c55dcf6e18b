"""What LoRA adds to weights, number by number from the papers: plain loops over numpy arrays, nothing of the package.

LoRA (arXiv 2106.09685): W + (α / r) B A. Rank-stabilised (arXiv 2312.03732): W + (α / √r) B A.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def merge(
    weights: NDArray[Any],
    down: NDArray[Any],
    up: NDArray[Any],
    alpha: float,
    *,
    stabilised: bool = False,
    transposed: bool = False,
) -> NDArray[np.float64]:
    """(output x input) weights, or (input x output) where transposed, with A (rank x input) and B (output x rank)."""
    rank, inputs = down.shape
    outputs = up.shape[0]
    merged = np.array(weights, dtype=np.float64)
    for output in range(outputs):
        for one in range(inputs):
            added = 0.0
            for component in range(rank):
                added += float(up[output, component]) * float(down[component, one])
            place = (one, output) if transposed else (output, one)
            merged[place] += added * alpha / (rank**0.5 if stabilised else rank)
    return merged
