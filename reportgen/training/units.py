"""What counts as one prompt of all prompts like it: a prompt, or a pair of those that belong together."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def number_units(units: Sequence[Hashable]) -> list[int]:
    """(row) the number of its unit, in the order in which they come."""
    numbers: dict[Hashable, int] = {}
    return [numbers.setdefault(unit, len(numbers)) for unit in units]


def sum_by_unit(values: NDArray[Any], numbers: Sequence[int]) -> NDArray[np.float64]:
    """(unit x …) sums of (… x row) values, so scaled that their mean over units is the mean over rows."""
    import numpy as np

    count = max(numbers) + 1
    summed = np.zeros((count, *values.shape[:-1]))
    np.add.at(summed, list(numbers), np.moveaxis(values, -1, 0))
    scaled: NDArray[np.float64] = summed * (count / len(numbers))
    return scaled
