"""What the features of a dictionary do over a text of any length, in memory that does not grow with it.

All that is kept are whole numbers, activations as they were, and places of tokens: parts of a text can be seen apart,
in any order, and merged to the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

    from reportgen.model.sae.dictionary import Dictionary

BINS = 40
"""Of the histogram of activations: four to each power of ten."""
LOWEST = 1e-4
"""Where the first bin begins; it holds what is below too, the last one what is above."""
EDGES: NDArray[np.float64] = LOWEST * 10.0 ** (np.arange(BINS + 1) / 4.0)
"""(bin + 1) an activation at an edge belongs to the bin above it."""
_EMPTY = np.uint64(2**64 - 1)


@dataclass(frozen=True)
class FiringTable:
    """What fires in some windows, one entry a feature and token."""

    place: NDArray[np.int64]
    """(n) the token, counted over the whole text."""
    window: NDArray[np.int64]
    feature: NDArray[np.int64]
    value: NDArray[np.float32]
    """(n) above 0."""
    tokens: int
    """Tokens that were looked at, those included on which nothing fires."""


@dataclass(frozen=True, eq=False)
class Firing:
    """A reducer that encodes what it is given, and keeps only what fires."""

    dictionary: Dictionary
    left_out: int = 0
    """Positions at the beginning that do not count."""

    def init(self) -> None:
        """Nothing seen."""
        return

    def update(self, state: Any, value: Tensor, *, index: int, step: int) -> tuple[NDArray[Any], ...]:
        """(position, feature, activation) of what fires in (position x width) rows of one window."""
        active = self.dictionary.find_active(value)
        counts = active.row >= self.left_out
        return tuple(part[counts].cpu().numpy() for part in (active.row, active.feature, active.value))

    def merge(self, one: Any, other: Any) -> Any:
        """The one that has seen something: a window passes once."""
        return one if other is None else other

    def finish(self, state: Any) -> Any:
        """What fired."""
        return state


def join_firings(windows: list[tuple[int, int, int, tuple[NDArray[Any], ...]]]) -> FiringTable:
    """What reducers kept of (number, start in the text, tokens that count, what fired) windows, put together."""
    parts = [(number, start, seen) for number, start, _, seen in windows]
    return FiringTable(
        place=_concatenate([seen[0] + start for _, start, seen in parts], np.int64),
        window=_concatenate([np.full(len(seen[0]), number) for number, _, seen in parts], np.int64),
        feature=_concatenate([seen[1] for _, _, seen in parts], np.int64),
        value=_concatenate([seen[2] for _, _, seen in parts], np.float32),
        tokens=sum(count for _, _, count, _ in windows),
    )


def _concatenate(parts: list[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    return np.concatenate([np.zeros(0, dtype), *(part.astype(dtype, copy=False) for part in parts)])


@dataclass(frozen=True)
class AtlasState:
    """What was counted and kept; arrays of fixed shapes."""

    tokens: NDArray[np.int64]
    """()"""
    fired: NDArray[np.int64]
    """(feature) tokens on which it fires."""
    hits: NDArray[np.int64]
    """(feature) those of them that its pattern matches."""
    histogram: NDArray[np.int64]
    """(feature x bin) of its activations above 0."""
    strength: NDArray[np.float32]
    """(feature x rank) minus the strongest activations, one a window; 0 where there are fewer."""
    strongest: NDArray[np.int64]
    """(feature x rank) their places; -1 where there are fewer."""
    lot: NDArray[np.uint64]
    """(feature x drawn) the lowest lots of the tokens on which it fires."""
    drawn: NDArray[np.int64]
    """(feature x drawn) their places: tokens drawn at random, the same in whatever order they pass."""
    there: NDArray[np.bool_]
    """(watched x feature) whether it fires on tokens that were chosen beforehand."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Each array by its name."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


@dataclass(frozen=True, eq=False)
class FeatureAtlas:
    """An accumulator over what fires in parts of a text."""

    features: int
    most: int
    """Strongest activations kept a feature."""
    drawn: int
    """Tokens drawn a feature."""
    watched: NDArray[np.int64]
    """(watched) places of which it is kept what fires there, ascending."""

    def init(self) -> AtlasState:
        """Nothing seen."""
        count = self.features
        return AtlasState(
            tokens=np.zeros((), np.int64),
            fired=np.zeros(count, np.int64),
            hits=np.zeros(count, np.int64),
            histogram=np.zeros((count, BINS), np.int64),
            strength=np.zeros((count, self.most), np.float32),
            strongest=np.full((count, self.most), -1, np.int64),
            lot=np.full((count, self.drawn), _EMPTY, np.uint64),
            drawn=np.full((count, self.drawn), -1, np.int64),
            there=np.zeros((len(self.watched), count), np.bool_),
        )

    def update(self, seen: AtlasState, part: FiringTable, hit: NDArray[np.bool_] | None = None) -> AtlasState:
        """What was seen before, and a part of the text; `hit` (n) says which entries a pattern matches."""
        count = self.features
        bins = np.clip(np.searchsorted(EDGES, part.value, side="right") - 1, 0, BINS - 1)
        histogram = np.bincount(part.feature * BINS + bins, minlength=count * BINS).reshape(count, BINS)
        none = np.zeros(0, np.int64)
        matched = part.feature[hit] if hit is not None else none
        best = _find_first(part.feature, part.window, -part.value, part.place)
        strength, strongest = _lowest(
            seen.strength, seen.strongest, part.feature[best], -part.value[best], part.place[best]
        )
        lots = _draw_lots(part.feature, part.place) if self.drawn else np.zeros(0, np.uint64)
        chosen = slice(None) if self.drawn else slice(0, 0)
        lot, drawn = _lowest(seen.lot, seen.drawn, part.feature[chosen], lots, part.place[chosen])
        return AtlasState(
            tokens=seen.tokens + np.int64(part.tokens),
            fired=seen.fired + np.bincount(part.feature, minlength=count),
            hits=seen.hits + np.bincount(matched, minlength=count),
            histogram=seen.histogram + histogram,
            strength=strength,
            strongest=strongest,
            lot=lot,
            drawn=drawn,
            there=self._watch(seen.there, part),
        )

    def merge(self, one: AtlasState, other: AtlasState) -> AtlasState:
        """What both have seen, of windows that only one of them has."""
        strength, strongest = _lowest(one.strength, one.strongest, *_entries(other.strength, other.strongest))
        lot, drawn = _lowest(one.lot, one.drawn, *_entries(other.lot, other.drawn))
        return AtlasState(
            tokens=one.tokens + other.tokens,
            fired=one.fired + other.fired,
            hits=one.hits + other.hits,
            histogram=one.histogram + other.histogram,
            strength=strength,
            strongest=strongest,
            lot=lot,
            drawn=drawn,
            there=one.there | other.there,
        )

    def from_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> AtlasState:
        """What `AtlasState.arrays` gave.

        Raises:
            ValueError: an array is missing, or of another shape.
        """
        fresh = self.init().arrays()
        if any(name not in arrays or arrays[name].shape != one.shape for name, one in fresh.items()):
            raise ValueError("this was kept by another atlas")
        return AtlasState(**{name: arrays[name] for name in fresh})

    def _watch(self, there: NDArray[np.bool_], part: FiringTable) -> NDArray[np.bool_]:
        if not len(self.watched):
            return there
        at = np.searchsorted(self.watched, part.place).clip(max=len(self.watched) - 1)
        here = self.watched[at] == part.place
        marked = there.copy()
        marked[at[here], part.feature[here]] = True
        return marked


def _find_first(
    feature: NDArray[np.int64], window: NDArray[np.int64], key: NDArray[Any], place: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The entry of lowest key of each feature in each window, the earliest where several are."""
    order = np.lexsort((place, key, window, feature))
    new = np.ones(len(order), np.bool_)
    new[1:] = (np.diff(feature[order]) != 0) | (np.diff(window[order]) != 0)
    return order[new]


def _entries(
    keys: NDArray[Any], places: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[np.int64]]:
    """(feature, key, place) of what (feature x rank) arrays hold."""
    feature, rank = np.nonzero(places >= 0)
    return feature.astype(np.int64), keys[feature, rank], places[feature, rank]


def _lowest(
    keys: NDArray[Any],
    places: NDArray[np.int64],
    feature: NDArray[np.int64],
    key: NDArray[Any],
    place: NDArray[np.int64],
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """(feature x rank) keys, ascending, and their places, once (n) more were seen; equal keys by ascending place."""
    if not keys.shape[1]:
        return keys, places
    near = key <= keys[feature, -1]  # most of a long text is turned away here
    if not near.any():
        return keys, places
    feature, key, place = feature[near], key[near], place[near]
    touched = np.unique(feature)
    held = _entries(keys[touched], places[touched])
    feature = np.concatenate([touched[held[0]], feature])
    key, place = np.concatenate([held[1], key]), np.concatenate([held[2], place])
    order = np.lexsort((place, key, feature))
    feature, key, place = feature[order], key[order], place[order]
    rank = np.arange(len(feature)) - np.searchsorted(feature, feature)
    stays = rank < keys.shape[1]
    keys, places = keys.copy(), places.copy()
    keys[feature[stays], rank[stays]] = key[stays]
    places[feature[stays], rank[stays]] = place[stays]
    return keys, places


def _draw_lots(feature: NDArray[np.int64], place: NDArray[np.int64]) -> NDArray[np.uint64]:
    """(n) a number for each feature and place that looks random (the finaliser of SplitMix64)."""
    with np.errstate(over="ignore"):
        x = feature.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + place.astype(np.uint64)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed: NDArray[np.uint64] = x ^ (x >> np.uint64(31))
    return np.minimum(mixed, _EMPTY - np.uint64(1))
