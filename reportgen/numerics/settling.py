"""From which layer on a model holds to its answer."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def leads_from(ranks: NDArray[Any]) -> int:
    """The first layer from which on the final answer has rank 1 to the end; `ranks`: (layer)."""
    behind = np.flatnonzero(ranks != 1)
    return int(behind[-1]) + 1 if len(behind) else 0
