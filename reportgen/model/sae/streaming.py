"""A text that streams once through a model, and what its dictionaries do meanwhile; it can be interrupted and gone on
with, to the same bytes.

Windows of even number pass first: patterns are made of their strongest examples, and tried on those of odd number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from reportgen.model.needs import Need, Pass, PassResult
from reportgen.model.sae.atlas import AtlasState, FeatureAtlas, Firing, join_firings
from reportgen.text.token_patterns import BEGINNING, Pattern, PatternTable, TokenIndex, pattern_of
from reportgen.text.windows import Windows

if TYPE_CHECKING:
    from reportgen.cache import UnfinishedWork
    from reportgen.model.sae.dictionary import Dictionary

PORTION = 16
"""Windows that are asked for together."""
KEPT_EVERY = 2
"""Portions after which what is done is kept."""
EXAMPLES = 10
"""Strongest examples, of as many windows, of which a pattern is made."""
SHOWN, HELD_OUT = 0, 1
"""Halves of the text: windows of even number, of which labels are made, and those of odd number, on which they are
tried.
"""


@dataclass(frozen=True)
class Sizes:
    """How much is kept a feature."""

    examples: int
    drawn: int = 0
    """Held-out tokens drawn at random among those on which it fires."""
    watched: int = 0
    """Held-out tokens drawn at random among all."""
    seed: int = 0


class AtlasStream:
    """What was seen so far, and what is to pass next."""

    def __init__(
        self,
        windows: Windows,
        dictionaries: Sequence[Dictionary],
        vocabulary: TokenIndex,
        sizes: Sizes,
        unfinished: UnfinishedWork | None = None,
    ) -> None:
        self.windows = windows
        self.dictionaries = dictionaries
        self.vocabulary = vocabulary
        self._unfinished = unfinished
        self.watched = watched_places(windows, sizes)
        self.atlases = [
            FeatureAtlas(one.features, max(sizes.examples, EXAMPLES), sizes.drawn, self.watched) for one in dictionaries
        ]
        self.halves: list[list[AtlasState]] = [[atlas.init(), atlas.init()] for atlas in self.atlases]
        """(item x half)"""
        self._done = 0
        """Portions that have passed."""
        self._needs: dict[tuple[int, int], Need] = {}
        self._restore()

    @cached_property
    def patterns(self) -> list[list[Pattern | None]]:
        """(item x feature) what the strongest examples of the shown half have in common."""
        return [[self._pattern(row) for row in seen[SHOWN].strongest[:, :EXAMPLES]] for seen in self.halves]

    def merge_halves(self, item: int) -> AtlasState:
        """What a dictionary does over the whole text."""
        return self.atlases[item].merge(*self.halves[item])

    def held_out_matches(self, item: int) -> NDArray[np.int64]:
        """(feature) tokens of the held-out half that a feature's pattern matches."""
        places = self._counted_places(HELD_OUT)
        counts = []
        for ids in (self.windows.ids[places], self._before[places]):
            tokens, times = np.unique(ids, return_counts=True)
            counts.append(dict(zip(tokens.tolist(), times.tolist(), strict=True)))
        return self._tables[item].matches(*counts)

    def portions(self) -> Iterator[list[int]]:
        """The windows that are left, some at a time, none of both halves together."""
        all_of_them = list(portions_of(len(self.windows)))
        while self._done < len(all_of_them):
            yield all_of_them[self._done]

    def passes(self, portion: Sequence[int]) -> list[Pass]:
        """The passes of some windows."""
        return [Pass(self.windows.tokens(window), self._needs_of(window)) for window in portion]

    def take(self, portion: Sequence[int], captured: Sequence[PassResult]) -> None:
        """What some windows gave."""
        half = portion[0] % 2
        for item, atlas in enumerate(self.atlases):
            part = join_firings(
                [
                    (
                        window,
                        int(self.windows.starts[window]),
                        self.windows.count_tokens(window),
                        single.values[needs[item]],
                    )
                    for window, single in zip(portion, captured, strict=True)
                    for needs in (self._needs_of(window),)
                ]
            )
            hit = None
            if half == HELD_OUT:
                tokens, before = self.windows.ids[part.place], self._before[part.place]
                hit = self._tables[item].match(part.feature, tokens.astype(np.int64), before)
            self.halves[item][half] = atlas.update(self.halves[item][half], part, hit)
        self._done += 1
        if self._done % KEPT_EVERY == 0:
            self._keep()

    @cached_property
    def _tables(self) -> list[PatternTable]:
        return [PatternTable(of_item) for of_item in self.patterns]

    @cached_property
    def _before(self) -> NDArray[np.int64]:
        """(place) the token before; `BEGINNING` for the first that counts of a window."""
        before = np.roll(self.windows.ids, 1).astype(np.int64)
        before[self.windows.starts[:-1] + self.windows.added] = BEGINNING
        return before

    def _pattern(self, places: NDArray[np.int64]) -> Pattern | None:
        there = places[places >= 0]
        pairs = zip(self._before[there].tolist(), self.windows.ids[there].tolist(), strict=True)
        return pattern_of(list(pairs), self.vocabulary)

    def _counted_places(self, half: int) -> NDArray[np.int64]:
        return counted_places(self.windows, half)

    def _needs_of(self, window: int) -> tuple[Need, ...]:
        left_out = int(self.windows.added[window])
        for item, one in enumerate(self.dictionaries):
            if (item, left_out) not in self._needs:
                place = one.files.place
                self._needs[item, left_out] = Need(place.site, "all", (place.index,), Firing(one, left_out))
        return tuple(self._needs[item, left_out] for item in range(len(self.dictionaries)))

    def _keep(self) -> None:
        if self._unfinished is None:
            return
        from safetensors.numpy import save

        arrays = {"done": np.array(self._done, np.int64)}
        for item, halves in enumerate(self.halves):
            for half, seen in enumerate(halves):
                arrays |= {f"{item}.{half}.{name}": one for name, one in seen.arrays().items()}
        self._unfinished.write(save({name: np.asarray(one, order="C") for name, one in arrays.items()}))

    def _restore(self) -> None:
        content = None if self._unfinished is None else self._unfinished.read()
        if content is None:
            return
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            arrays = load(content)
            halves = [
                [
                    atlas.from_arrays({n.removeprefix(f"{item}.{half}."): one for n, one in arrays.items()})
                    for half in (SHOWN, HELD_OUT)
                ]
                for item, atlas in enumerate(self.atlases)
            ]
            done = int(arrays["done"])
        except (SafetensorError, ValueError, KeyError):
            return  # it is done again
        self.halves, self._done = halves, done


def portions_of(windows: int) -> Iterator[list[int]]:
    """All windows in the order in which they pass."""
    for half in (SHOWN, HELD_OUT):
        numbers = list(range(half, windows, 2))
        for start in range(0, len(numbers), PORTION):
            yield numbers[start : start + PORTION]


def counted_places(windows: Windows, half: int) -> NDArray[np.int64]:
    """Places of the tokens of one half that count, ascending."""
    spans = [
        np.arange(windows.starts[one] + windows.added[one], windows.starts[one + 1])
        for one in range(half, len(windows), 2)
    ]
    return np.concatenate([np.zeros(0, np.int64), *spans]).astype(np.int64)


def watched_places(windows: Windows, sizes: Sizes) -> NDArray[np.int64]:
    """Some places of the held-out half, drawn at random."""
    places = counted_places(windows, HELD_OUT)
    if not sizes.watched or not len(places):
        return np.zeros(0, np.int64)
    drawn = np.random.default_rng(sizes.seed).choice(places, min(sizes.watched, len(places)), replace=False)
    return np.sort(drawn)
