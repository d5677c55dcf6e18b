"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from reportgen.language import say, unit_of
from reportgen.probing.view import SubjectView

Measure = Literal["knn", "cka"]
MEASURES: tuple[Measure, ...] = ("knn", "cka")
SURE = 0.05
"""Chance up to which a pair of layers is said to agree."""


@dataclass(frozen=True)
class View(SubjectView):
    """A pair of models, by the names of its sides."""

    @property
    def base(self) -> str:
        """What the first model is called."""
        return self.models[0].name

    @property
    def other(self) -> str:
        """What the second model is called."""
        return self.models[1].name

    def best_partners(self, measure: Measure) -> list[tuple[int, int]]:
        """(layer of base, the layer of other that lies furthest above its shuffles), of those that have one."""
        table = self.values(f"{measure}_by_layer_calibrated")
        known = [layer for layer in range(len(table)) if not np.isnan(table[layer]).all()]
        return [(layer, int(np.nanargmax(table[layer]))) for layer in known]

    def agrees(self, measure: Measure) -> bool:
        """Whether the best pair of layers lies above the shuffles beyond chance."""
        chance = self.metric(f"{measure}_chance")
        return chance is not None and chance <= SURE


def measure_label(view: View, measure: Measure) -> str:
    """What a score is of, in a few words."""
    if measure == "knn":
        return say("similarity.knn", "share of the {k} nearest neighbours", k=view.options["k"])
    return unit_of("CKA")
