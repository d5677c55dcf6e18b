"""How it is measured."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reportgen.model.needs import Pass, PassResult, TwinPasses
from reportgen.model.network.loaded import LoadedModel
from reportgen.numerics.one_thread import hold_one_thread
from reportgen.numerics.projection import Scale, middle_along, spread_within, to_unit
from reportgen.numerics.steering import random_direction
from reportgen.probes.concept_directions import (
    RANDOM,
    ConceptDirections,
    Places,
    place_sides,
)
from reportgen.probes.concept_directions.along_file import run_along_file
from reportgen.probes.concept_directions.followed import (
    NO_SPREAD,
    Followed,
    follow_text,
    list_followed,
    read_along,
    summarise,
    value_or_none,
    value_or_reason,
)
from reportgen.probes.concept_directions.options import Options, names_of
from reportgen.probing.case import Case
from reportgen.probing.probe import Later
from reportgen.results.quantities import Rows
from reportgen.training.directions import METHODS
from reportgen.training.folds import deal_folds
from reportgen.training.held_out import Method, Separation, separate_held_out
from reportgen.training.random_labels import deal_labels
from reportgen.training.representations import TOGETHER, read_rows


@dataclass(frozen=True)
class _Tried:
    """Both sets at every layer that is tried, and how well each separates them."""

    places: Places
    layers: tuple[int, ...]
    rows: NDArray[np.float64]
    """(layer x prompt x width)"""
    separations: list[Separation]
    method: Method

    @classmethod
    def of(cls, options: Options, places: Places, rows: NDArray[np.float64]) -> _Tried:
        layers = places.layers or tuple(range(len(rows)))
        separations = _separate(options, places, rows, places.sides.labels)
        return cls(places, layers, rows, separations, METHODS[options.direction])

    @property
    def best(self) -> int:
        """The place of the layer of the highest AUC, of equals of the largest separation, then the first."""
        found = self.separations
        return max(range(len(found)), key=lambda at: (found[at].auc, np.nan_to_num(found[at].apart), -at))

    @property
    def layer(self) -> int:
        """Its number."""
        return int(self.layers[self.best])

    def sides(self, at: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(prompt x width) rows of both sets."""
        own = np.array(self.places.sides.own)
        return self.rows[at][own], self.rows[at][~own]

    def between(self, at: int) -> NDArray[np.float64]:
        """(width) the direction of a layer, found with all prompts."""
        return self.method(*self.sides(at))

    def make_scales(self, seed: int) -> list[Scale]:
        """The direction's at the best layer, then those of random directions."""
        sides, unit = self.sides(self.best), to_unit(self.between(self.best))
        scales = [Scale(unit, middle_along(unit, *sides), self.separations[self.best].spread)]
        for draw in range(RANDOM):
            drawn = random_direction(self.rows.shape[-1], self.layer, seed, draw)
            along = spread_within(sides[0] @ drawn, sides[1] @ drawn)
            scales.append(Scale(drawn, middle_along(drawn, *sides), along))
        return scales


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> Later[ConceptDirections]:
    """The sets first; then the texts, at the layer that separates the sets best."""
    if case.options.from_file:
        return (yield from run_along_file(case))
    options, places = case.options, place_sides(case)
    rows = yield from _read_sides(places)
    with hold_one_thread():
        tried = _Tried.of(options, places, rows)
    read = yield from read_along(case, tried.layer)
    with hold_one_thread():
        scales = tried.make_scales(options.seed)
        return _find(case, tried, [follow_text(one, scales) for one in read])


def _find(case: Case[Options], tried: _Tried, followed: Sequence[Followed]) -> ConceptDirections:
    options, best = case.options, tried.separations[tried.best]
    shuffled = _separate_shuffled(options, tried.places, tried.rows)
    return ConceptDirections(
        coordinates={"layer": tried.layers},
        **summarise(followed),
        layer=tried.layer,
        auc=best.auc,
        shuffled_auc=float(shuffled.max(axis=1).mean()),
        separation=value_or_reason(best.apart, NO_SPREAD),
        layer_auc=np.array([one.auc for one in tried.separations]),
        layer_shuffled=shuffled.mean(axis=0),
        layer_separation=np.array([one.apart for one in tried.separations]),
        direction=np.stack([tried.between(at) for at in range(len(tried.rows))]).astype(np.float32),
        sides=_list_sides(case, tried.places, best),
        words=case.word_rows((at, prompt, prompt.word) for at, prompt in enumerate(tried.places.sides.prompts))
        if options.read == "last"
        else [],
        **list_followed(case, followed),
    )


def _read_sides(
    places: Places,
) -> Generator[Sequence[Pass] | TwinPasses, Sequence[PassResult], NDArray[np.float64]]:
    """(layer x prompt x width) a row for each prompt; some prompts at a time, so that no more than their tokens are
    kept.
    """
    parts = []
    for start in range(0, len(places.texts), TOGETHER):
        positions = places.positions[start : start + TOGETHER]
        rows = yield from read_rows(places.texts[start : start + TOGETHER], positions, places.layers)
        starts = np.cumsum([0, *map(len, positions)])[:-1]
        counts = np.array([len(one) for one in positions])[:, None]
        parts.append(np.stack([np.add.reduceat(one.astype(np.float64), starts) / counts for one in rows]))
    return np.concatenate(parts, axis=1)


def _separate(options: Options, places: Places, rows: NDArray[np.float64], labels: Sequence[str]) -> list[Separation]:
    """(layer) how far the prompts of both labels lie apart, on a split of these labels."""
    own = np.array([label == "towards" for label in labels])
    folds = deal_folds(labels, places.sides.units, options.folds, options.seed)
    return [separate_held_out(one, own, folds, METHODS[options.direction]) for one in rows]


def _separate_shuffled(options: Options, places: Places, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """(draw x layer) AUC where the sets are shuffled together."""
    labels = places.sides.labels
    draws = [deal_labels(labels, range(len(labels)), options.seed, draw) for draw in range(options.controls)]
    return np.array([[one.auc for one in _separate(options, places, rows, dealt)] for dealt in draws])


def _list_sides(case: Case[Options], places: Places, found: Separation) -> Rows:
    positions, names = found.positions / found.spread, names_of(case.options)
    return [
        [at, names[0 if own else 1], case.tokenizer.prompt_text(prompt), value_or_none(positions[at])]
        for at, (prompt, own) in enumerate(zip(places.sides.prompts, places.sides.own, strict=True))
    ]
