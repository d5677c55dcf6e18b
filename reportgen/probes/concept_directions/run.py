"""How it is measured."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from reportgen.model.needs import Need, Pass, PassResult, Site, TwinPasses, pack_by_length
from reportgen.model.network.loaded import LoadedModel
from reportgen.numerics.one_thread import hold_one_thread
from reportgen.numerics.projection import Scale, middle_along, spread_within, to_unit
from reportgen.numerics.steering import random_direction
from reportgen.probes.concept_directions import (
    RANDOM,
    ConceptDirections,
    Places,
    counted_positions,
    place_sides,
    read_texts,
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

NO_SPREAD = "the sets have no spread along the direction"
NO_TOKEN = "no token counts"
WITHIN = 95
"""Per cent of random directions that stay within what a value is held against."""


@dataclass(frozen=True)
class _Followed:
    """One text along the direction."""

    ids: tuple[int, ...]
    """The tokens that passed."""
    prompt_length: int
    counted: list[int]
    values: NDArray[np.float64]
    """(position)"""
    random: NDArray[np.float64]
    """(draw x position)"""


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
    options, places = case.options, place_sides(case)
    rows = yield from _read_sides(places)
    with hold_one_thread():
        tried = _Tried.of(options, places, rows)
    need = Need(Site.RESIDUAL, "all", (tried.layer,))
    passes = [Pass(tokens, (need,), options.continue_ + 1) for tokens in read_texts(case)]
    read = yield pack_by_length(passes, TOGETHER)
    with hold_one_thread():
        scales = tried.make_scales(options.seed)
        return _find(case, tried, [_follow(case, single, need, scales) for single in read])


def _find(case: Case[Options], tried: _Tried, followed: Sequence[_Followed]) -> ConceptDirections:
    options, best = case.options, tried.separations[tried.best]
    shuffled = _separate_shuffled(options, tried.places, tried.rows)
    return ConceptDirections(
        coordinates={"layer": tried.layers},
        **_summarise(followed),
        layer=tried.layer,
        auc=best.auc,
        shuffled_auc=float(shuffled.max(axis=1).mean()),
        separation=_or_reason(best.apart, NO_SPREAD),
        layer_auc=np.array([one.auc for one in tried.separations]),
        layer_shuffled=shuffled.mean(axis=0),
        layer_separation=np.array([one.apart for one in tried.separations]),
        direction=np.stack([tried.between(at) for at in range(len(tried.rows))]).astype(np.float32),
        values=[one.values for one in followed],
        random_values=[_bound(one.random) for one in followed],
        texts=_list_texts(case, followed),
        tokens=[row for at, one in enumerate(followed) for row in _list_tokens(case, at, one)],
        sides=_list_sides(case, tried.places, best),
        words=case.word_rows((at, prompt, prompt.word) for at, prompt in enumerate(tried.places.sides.prompts))
        if options.read == "last"
        else [],
        prompts=case.prompt_rows(options.prompts),
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


def _follow(case: Case[Options], single: PassResult, need: Need, scales: Sequence[Scale]) -> _Followed:
    rows = torch.cat([single.tensors_of(need, step)[0] for step in range(single.steps)]).float().cpu().numpy()
    counted = list(counted_positions(case, single.tokens))
    found = np.full((len(scales), len(rows)), np.nan)
    if counted:
        found[:, counted] = [scale.place(rows[counted]) for scale in scales]
    return _Followed(tuple(single.tokens), single.prompt_length, counted, found[0], found[1:])


def _bound(drawn: NDArray[np.float64]) -> NDArray[np.float64]:
    """(…) what 95 % of the draws, the first axis, stay within."""
    bound: NDArray[np.float64] = np.percentile(np.abs(drawn), WITHIN, axis=0)
    return bound


def _average(followed: Sequence[_Followed]) -> tuple[float, float]:
    """The mean over all tokens that count, and what 95 % of random directions stay within; NaN where none counts."""
    values = np.concatenate([one.values[one.counted] for one in followed])
    drawn = np.concatenate([one.random[:, one.counted] for one in followed], axis=1)
    if not len(values):
        return float("nan"), float("nan")
    return float(values.mean()), float(_bound(drawn.mean(axis=1)))


def _summarise(followed: Sequence[_Followed]) -> dict[str, float | str]:
    counts = any(one.counted for one in followed)
    value, drawn = _average(followed)
    reason = NO_SPREAD if counts else NO_TOKEN
    return {"projection": _or_reason(value, reason), "random_projection": _or_reason(drawn, reason)}


def _or_reason(value: float, reason: str) -> float | str:
    return value if np.isfinite(value) else reason


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _list_texts(case: Case[Options], followed: Sequence[_Followed]) -> Rows:
    rows: Rows = []
    for at, (prompt, one) in enumerate(zip(case.options.prompts, followed, strict=True)):
        written = sum(position >= one.prompt_length for position in one.counted)
        rows.append([at, prompt.called, len(one.counted), written, *map(_or_none, _average([one]))])
    return rows


def _list_tokens(case: Case[Options], prompt: int, one: _Followed) -> Rows:
    shown, bounds = case.tokenizer.show_sequence(one.ids), _bound(one.random)
    values: list[Any] = [[_or_none(a), _or_none(b)] for a, b in zip(one.values, bounds, strict=True)]
    return [
        [prompt, at, token, *values[at], at >= one.prompt_length]
        for at, token in enumerate(shown[: len(one.values)])
    ]  # fmt: skip


def _list_sides(case: Case[Options], places: Places, found: Separation) -> Rows:
    positions, names = found.positions / found.spread, names_of(case.options)
    return [
        [at, names[0 if own else 1], case.tokenizer.prompt_text(prompt), _or_none(positions[at])]
        for at, (prompt, own) in enumerate(zip(places.sides.prompts, places.sides.own, strict=True))
    ]
