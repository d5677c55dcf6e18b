"""The vertical axes of curves over layers: one for all models where that hides nothing, else one each, and said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reportgen.language import say
from reportgen.numerals import write_number

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST = 0.2
"""Share of a common axis that each model's curves cover; where one's would cover less, each has its own axis."""
FIRST = 2
"""Layers at the beginning that may be cut off: a stream that hardly anything was added to is like no other."""
CUT_FROM = 3.0
"""Times the extent of all other layers that these reach, from which the axis ends before them."""
MARGIN = 0.05
"""Share of the extent that is left free on either side."""
SMALLEST = 1e-6
"""An extent below which curves are flat, and the axis is as long as if there were some."""


@dataclass(frozen=True)
class Axis:
    """From where to where one figure's axis goes, and what a reader must know of it."""

    ends: tuple[float, float]
    notes: tuple[str, ...] = ()

    def name(self, what: str) -> str:
        """The quantity on the axis, with what is to be known."""
        if not self.notes:
            return what
        return say("axis.noted", "{what} ({notes})", what=what, notes="; ".join(self.notes))


def fit_axes(
    values: Sequence[NDArray[np.float32]],
    layers: Sequence[Sequence[int]],
    *,
    cut: bool = False,
    from_zero: bool = False,
    including: float | None = None,
) -> list[Axis]:
    """The axis of each model's figure.

    Args:
        values: (model) (curve x layer) what is drawn.
        layers: (model) (layer) their numbers.
        cut: whether the axis may end before what the first layers reach.
        from_zero: whether it begins at 0.
        including: a number that stands on every axis.
    """
    extents = [_find_extent(of_model, cut=cut, from_zero=from_zero) for of_model in values]
    if including is not None:
        extents = [(min(low, including), max(high, including)) for low, high in extents]
    low, high = min(low for low, _ in extents), max(high for _, high in extents)
    least = LEAST * (high - low)
    shared = all(top - bottom >= least for bottom, top in extents)
    axes = []
    for of_model, numbers, own in zip(values, layers, extents, strict=True):
        bottom, top = (low, high) if shared else own
        margin = MARGIN * max(top - bottom, SMALLEST)
        ends = (bottom if from_zero else bottom - margin, top + margin)
        notes = [] if shared else [say("axis.own", "its own axis")]
        axes.append(Axis(ends, (*notes, *_note_cut(of_model, numbers, ends[1]))))
    return axes


def fit_scales(
    values: Sequence[Sequence[float]], shared: tuple[float, float], *, from_zero: bool = False
) -> list[Axis]:
    """The scale of colours of each model's figure: a common one, unless some model's cells would all be of nearly one
    colour on it.

    Args:
        values: (model) (cell) what is drawn.
        shared: the ends of the common scale.
        from_zero: whether each begins at 0.
    """
    extents = [_extent(np.asarray(of_model, dtype=np.float32)) for of_model in values]
    if from_zero:
        extents = [(0.0, high) for _, high in extents]
    least = LEAST * (shared[1] - shared[0])
    if all(high - low >= least or high - low < SMALLEST for low, high in extents):
        return [Axis(shared) for _ in extents]
    note = say("axis.own_scale", "a scale of its own")
    return [Axis((low, max(high, low + SMALLEST)), (note,)) for low, high in extents]


def _find_extent(values: NDArray[np.float32], *, cut: bool, from_zero: bool) -> tuple[float, float]:
    """(lowest, highest) of the curves, the first layers left out where they would flatten all others."""
    whole, rest = _extent(values), _extent(values[:, FIRST:])
    if cut and rest[1] > rest[0] and whole[1] - whole[0] > CUT_FROM * (rest[1] - rest[0]):
        whole = (min(whole[0], rest[0]), rest[1])
    return (0.0, max(whole[1], SMALLEST)) if from_zero else whole


def _extent(values: NDArray[np.float32]) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def _note_cut(values: NDArray[np.float32], layers: Sequence[int], top: float) -> list[str]:
    """Which layer goes furthest beyond the axis, and how far; nothing where none does."""
    highest = np.where(np.isfinite(values), values, -np.inf).max(axis=0)
    if not highest.size or highest.max() <= top:
        return []
    at = int(highest.argmax())
    told = say("axis.cut", "cut: layer {layer} reaches {value}", layer=layers[at], value=write_number(highest[at], 2))
    return [told]
