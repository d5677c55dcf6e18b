"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from reportgen.numerics.confidence import wilson_95
from reportgen.numerics.resampling import Judgement, difference_of_pairs, mean_interval_95
from reportgen.numerics.settling import leads_from
from reportgen.probing.view import SubjectView
from reportgen.training.units import sum_by_unit

MIDDLE = (0.25, 0.75)
"""Shares of the depth between which layers are in the middle."""
SAME = 0.05
"""Difference of two shares up to which they are called as good as each other."""

Shape = Literal["hump", "rises", "stays", "falls", "open"]


@dataclass(frozen=True)
class Course:
    """How the middle layers compare with both ends. Shares are of right prompts."""

    shape: Shape
    first: float
    middle: float
    last: float
    layers: tuple[int, int]
    """First and last layer of the middle."""


@dataclass(frozen=True)
class View(SubjectView):
    """One subject with what its probes found."""

    @property
    def count(self) -> int:
        """Prompts."""
        return int(self.values("right").shape[1])

    @property
    def units(self) -> list[int]:
        """(prompt) the number of its pair, or of itself where it has none."""
        return self.column("items", "unit")

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers that were tried."""
        return self.along("accuracy", "layer")

    @property
    def bounds(self) -> tuple[list[float], list[float]]:
        """(layer) lower, and upper end of the 95 % interval of the accuracy."""
        return self.column("layers", "lower"), self.column("layers", "upper")

    @property
    def twin(self) -> NDArray[Any] | None:
        """(layer) accuracy in the twin; None where it was not asked for."""
        return self.values("accuracy_random") if "accuracy_random" in self.outcome.arrays else None

    @property
    def random_coordinates(self) -> float:
        """Accuracy of the same probes of random numbers in the place of what the model holds."""
        return float(self.metric("accuracy_of_random_coordinates") or 0)

    @property
    def readable(self) -> NDArray[np.bool_]:
        """(layer) whether the lower end of the accuracy's interval is above the most frequent label's share, and above
        what random labels reach.
        """
        found: NDArray[np.bool_] = np.array(self.bounds[0]) > np.maximum(
            self.values("accuracy_control"), float(self.metric("majority") or 0)
        )
        return found

    @property
    def is_known(self) -> bool:
        """Whether the label can be read at all: at some layer, and also where the layer is chosen without the prompts
        that are tested, as among many layers one is high by chance.
        """
        return bool(self.readable.any()) and self.interval[0] > float(self.metric("majority") or 0)

    @property
    def readable_from(self) -> int | None:
        """The place of the first layer from which on the label is readable to the end; None where it is not there."""
        first = leads_from(np.where(self.readable, 1, 2))
        return first if first < len(self.layers) else None

    @property
    def interval(self) -> tuple[float, float]:
        """Of the accuracy at the layers that were chosen without the prompts."""
        count = max(self.units) + 1
        return wilson_95(sum(self.column("items", "right")) / self.count * count, count)

    @property
    def selectivity_interval(self) -> tuple[float, float]:
        """Of the selectivity at these layers."""
        layers = self.column("chosen", "layer")
        at = [self.layers.index(layers[fold]) for fold in self.column("items", "item")]
        apart = (self.values("right") - self.values("control_right"))[at, range(self.count)]
        low, high = mean_interval_95(sum_by_unit(apart, self.units))
        return float(low), float(high)

    def judge_course(self) -> Course | None:
        """Whether the accuracy has a hump in the middle; None where not all layers were tried, or too few lie there.

        The middle is the mean over all of its layers, so that no layer is picked for being high.
        """
        depths = np.array(self.layers) / self.last_layer
        inside = np.flatnonzero((depths >= MIDDLE[0]) & (depths <= MIDDLE[1]))
        if len(self.layers) <= self.last_layer or not len(inside):
            return None
        right = self.values("right")
        middle = right[inside].mean(axis=0)
        first, middle_of, last = (sum_by_unit(one, self.units) for one in (right[0], middle, right[-1]))
        rise, fall = difference_of_pairs(middle_of, first), difference_of_pairs(middle_of, last)
        shape = _name_shape(rise.judge(SAME), rise.mean, fall.judge(SAME), fall.mean)
        ends = int(self.layers[inside[0]]), int(self.layers[inside[-1]])
        return Course(shape, float(right[0].mean()), float(middle.mean()), float(right[-1].mean()), ends)


def _name_shape(rise: Judgement, up: float, fall: Judgement, down: float) -> Shape:
    """The shape of a curve whose middle is so far above its beginning, and above its end."""
    if fall == "differ":
        if down < 0:
            return "rises"
        return "hump" if rise == "differ" and up > 0 else "falls"
    return "stays" if fall == "same" else "open"
