"""Numbers that mean nothing in the place of representations: what a probe gets right of them, it has learned by heart.

Every type (as for random labels: the word where each has one label alone, else the row) has one row of independent
standard normal numbers, the same wherever it stands, as wide as the stream. So a word that is both fitted and tested
can be learned by heart, as in the model; and where every row is a type of its own nothing can, and what is right is
chance with these folds. One draw says little about that, so several are taken.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from reportgen.training.representations import Rows
from reportgen.training.units import number_units

_STREAM = 2
"""Keeps these numbers apart from others that are drawn with the same seed."""


def draw_coordinates(types: Sequence[Hashable], width: int, seed: int, draw: int) -> Rows:
    """(1 x row x width) the row of each row's type, in standard deviations."""
    numbers = number_units(types)
    drawn = np.random.default_rng([seed, _STREAM, draw]).standard_normal((max(numbers) + 1, width))
    return drawn[numbers].astype(np.float32)[None]
