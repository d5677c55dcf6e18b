"""From which layer on a model holds to its answer.

The first layer after the last at which the answer was not first: the first layer at which it is first at all would
count a lead that is lost again. It is told with the ranks before it, as the lens of early layers is no prediction of
the model's. Cost: one look at a rank a layer.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def leads_from(ranks: NDArray[Any]) -> int:
    """The first layer from which on the final answer has rank 1 to the end; `ranks`: (layer)."""
    return holds_from(ranks == 1)


def holds_from(holds: NDArray[np.bool_]) -> int:
    """The first layer from which on something holds to the end; their number where it does not at the last."""
    broken = np.flatnonzero(~holds)
    return int(broken[-1]) + 1 if len(broken) else 0


def middle_lead(ranks: NDArray[Any]) -> int | None:
    """Lower median, over prompts whose answer is first at the end, of the layer from which it leads to the end: at
    least half of them lead from there on. None if there is no such prompt; `ranks`: (prompt x layer), NaN for a prompt
    without an answer.
    """
    settled = sorted(leads_from(of_prompt) for of_prompt in ranks if of_prompt[-1] == 1)
    return settled[(len(settled) - 1) // 2] if settled else None
