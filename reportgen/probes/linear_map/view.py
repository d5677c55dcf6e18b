"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reportgen.numerics.great_circle import wrap_places
from reportgen.numerics.resampling import difference_of_pairs, mean_interval_95
from reportgen.probes.linear_map.sheet import Columns
from reportgen.probing.view import SubjectView

SAME = 0.05
"""R² by which a layer has to be better than another, and a map than its controls; two layers are as good as each other
where the whole interval of their difference lies within it."""

Shape = Literal["hump", "rises", "flat", "falls", "open"]


@dataclass(frozen=True)
class View(SubjectView):
    """One subject with the map that was read from it."""

    @property
    def layers(self) -> tuple[int, ...]:
        """All layers."""
        return self.along("r2", "layer")

    @property
    def best(self) -> int:
        """The best layer."""
        return int(self.metric("best_layer") or 0)

    @property
    def column_names(self) -> list[str]:
        """What is read from the names."""
        return [str(name) for name in self.column("columns", "column")]

    @property
    def globe(self) -> tuple[int, int] | None:
        """Where the latitude and the longitude stand among the columns; None where these are no places on the globe."""
        return Columns(tuple(self.column_names)).globe

    @property
    def has_twin(self) -> bool:
        """Whether the twin was read."""
        return "r2_of_twin" in self.outcome.metrics

    @property
    def has_groups(self) -> bool:
        """Whether names were also predicted without their group."""
        return "r2_of_new_groups" in self.outcome.metrics

    @cached_property
    def intervals(self) -> NDArray[np.float64]:
        """(2 x layer) lower and upper end of the 95 % interval of R² over names like those held out."""
        return mean_interval_95(self.values("explained").T)

    @property
    def is_clear(self) -> bool:
        """Whether the map is better than what shuffled names and random weights give, by the lower end of its interval
        and by more than a margin.
        """
        controls = [self.metric("r2_of_shuffled"), self.metric("r2_of_twin") if self.has_twin else None, 0.0]
        most = max(float(one) for one in controls if one is not None)
        low = float(mean_interval_95(self.values("explained")[self.best])[0])
        return low > most and float(self.metric("r2") or 0.0) > most + SAME

    @cached_property
    def shape(self) -> Shape:
        """How the best layer compares with the first and the last, on the same names held out: a hump where it is
        better than both.
        """
        shapes: dict[tuple[str, str], Shape] = {
            ("differ", "differ"): "hump",
            ("differ", "same"): "rises",
            ("same", "differ"): "falls",
            ("same", "same"): "flat",
        }
        over_first, over_last = (self._judge(self.best, layer) for layer in (0, len(self.layers) - 1))
        return shapes.get((over_first, over_last), "open")

    def _judge(self, one: int, other: int) -> Literal["differ", "same", "open"]:
        """Whether a layer is better than another, as good, or neither is sure."""
        if one == other:
            return "same"
        explained = self.values("explained")
        apart = difference_of_pairs(explained[one], explained[other])
        if apart.judge(SAME) == "differ" and apart.mean >= SAME:
            return "differ"
        return "same" if max(abs(apart.low), abs(apart.high)) <= SAME else "open"

    def list_held(self) -> list[dict[str, object]]:
        """Each name held out: item, name, group and colour."""
        count = len(self.column_names)
        return self.rows("predicted")[::count]

    def tabulate(self, which: Literal["true", "predicted"]) -> NDArray[np.float64]:
        """(name held out x column)"""
        values = np.array(self.column("predicted", which), dtype=np.float64)
        return values.reshape(-1, len(self.column_names))

    def place_on_globe(self, which: Literal["true", "predicted"]) -> NDArray[np.float64]:
        """(name held out x 2) longitude and latitude, on the globe.

        Raises:
            ValueError: the columns are no places on it.
        """
        if self.globe is None:
            raise ValueError("the columns are no places on the globe")
        return wrap_places(self.tabulate(which)[:, list(self.globe)])[:, ::-1]
