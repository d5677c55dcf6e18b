"""How it is measured."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import isnan
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from reportgen.features.auto_labels import label_promoted_tokens
from reportgen.features.labels import EXAMPLES, EXPLAINER, Label, page_of
from reportgen.features.options import dictionaries_of
from reportgen.features.tables import dictionary_rows
from reportgen.features.window_options import windows_of
from reportgen.model.needs import PassResult
from reportgen.model.network.loaded import LoadedModel
from reportgen.model.sae.atlas import EDGES, AtlasState
from reportgen.model.sae.dictionary import Dictionary, load_dictionary
from reportgen.model.sae.explainer import Evidence, Explainer
from reportgen.model.sae.promoted import find_promoted_tokens
from reportgen.model.sae.streaming import AtlasStream, Sizes
from reportgen.numerics.detection import auc_of_pattern
from reportgen.probes.sae_atlas import Atlas, Options, explainers_folder
from reportgen.probes.sae_atlas.view import DENSE, PREDICTS
from reportgen.probing.case import Case
from reportgen.probing.probe import Later
from reportgen.results.quantities import Cell, Rows
from reportgen.text.characters import mark_space
from reportgen.text.token_patterns import TokenIndex

ABOVE_CHANCE = 0.6
"""Area from which a label that predicts no better is still shown before promoted tokens that do not agree."""
AGREES = 0.5
"""Share of the promoted tokens from which they are said to agree."""
AROUND = 12
"""Tokens of context kept on either side of an example."""
SPEAKS = 10
"""Promoted tokens that a label is made of."""
SHOWN_TO_EXPLAINER = 8
TRIED = 8
"""Held-out examples of each kind on which an explainer's label is tried."""
WATCHED = 64


class _Cards:
    """The cards of one dictionary."""

    def __init__(
        self,
        case: Case[Options],
        model: LoadedModel,
        stream: AtlasStream,
        item: int,
        seen: AtlasState,
        scores: NDArray[np.float64],
        explainer: Explainer | None,
    ) -> None:
        self._case, self._stream, self._item, self._seen, self._scores = case, stream, item, seen, scores
        drawn = [] if explainer is None else self._draw_features()
        self._features = sorted({*self._select_best(), *drawn})
        dictionary: Dictionary = stream.dictionaries[item]
        read = find_promoted_tokens(model, dictionary, self._features, max(case.options.promoted, SPEAKS))
        self._readings = dict(zip(self._features, read, strict=True))
        self._labels = {feature: self._label_by_rule(feature) for feature in self._features}
        for feature in drawn:
            assert explainer is not None
            explained = explainer.explain(self._evidence(feature))
            if explained.text:
                score = None if isnan(explained.score) else explained.score
                self._labels[feature].append(Label(explained.text, EXPLAINER, score))

    def rows(self) -> Rows:
        """Of the `features` table."""
        files, tokens = self._stream.dictionaries[self._item].files, int(self._seen.tokens)
        most = self._case.options.promoted
        rows: Rows = []
        for feature in self._features:
            label, reading = best_label(self._labels[feature]), self._readings[feature]
            density, strongest = int(self._seen.fired[feature]) / tokens, -float(self._seen.strength[feature, 0])
            rows.append(
                [self._item, feature, label.text, label.origin, label.score, density, strongest,
                 self._join_tokens(reading.top_ids[:most]), self._join_tokens(reading.bottom_ids[:most]),
                 page_of(files, feature)]
            )  # fmt: skip
        return rows

    def label_rows(self) -> Rows:
        """Of the `labels` table."""
        held_out = self._stream.halves[self._item][1].fired
        return [
            [self._item, feature, label.origin, label.text, label.score, int(held_out[feature])]
            for feature in self._features
            for label in self._labels[feature]
        ]

    def example_rows(self) -> Rows:
        """Of the `examples` table."""
        rows: Rows = []
        for feature in self._features:
            places = self._seen.strongest[feature][: self._case.options.examples].tolist()
            strengths = (-self._seen.strength[feature]).tolist()
            for rank, (place, strength) in enumerate(zip(places, strengths, strict=False), 1):
                if place >= 0:
                    rows.append([self._item, feature, rank, strength, *self._split_window(place)])
        return rows

    def _select_best(self) -> list[int]:
        """The live features whose pattern predicts best."""
        live = np.flatnonzero(self._seen.fired)
        if self._case.options.cards == "all":
            return [int(feature) for feature in live]
        worst_first = np.argsort(np.nan_to_num(self._scores[live], nan=0.0) * -1, kind="stable")
        return [int(feature) for feature in live[worst_first[: self._case.options.cards]]]

    def _draw_features(self) -> list[int]:
        """Features to explain: drawn at random among those with examples in both halves."""
        shown, held_out = self._stream.halves[self._item]
        able = np.flatnonzero((shown.fired > 0) & (held_out.fired > 0))
        draw = np.random.default_rng([self._case.options.seed, self._item])
        return sorted(draw.choice(able, min(self._case.options.explained, len(able)), replace=False).tolist())

    def _label_by_rule(self, feature: int) -> list[Label]:
        """From the pattern of its strongest examples, and from its promoted tokens."""
        found = []
        pattern = self._stream.patterns[self._item][feature]
        if pattern is not None:
            score = float(self._scores[feature])
            found.append(Label(pattern.text, EXAMPLES, None if isnan(score) else score))
        top = [self._case.tokenizer.show(token) for token in self._readings[feature].top_ids[:SPEAKS]]
        return [*found, label_promoted_tokens(top)]

    def _evidence(self, feature: int) -> Evidence:
        shown, held_out = self._stream.halves[self._item]
        silent = self._stream.watched[~held_out.there[:, feature]][:TRIED]
        return Evidence(
            strongest=self._mark_tokens(shown.strongest[feature][:SHOWN_TO_EXPLAINER]),
            firing=self._mark_tokens(held_out.drawn[feature]),
            silent=self._mark_tokens(silent),
        )

    def _mark_tokens(self, places: NDArray[np.int64]) -> list[str]:
        """Texts with the token in question between « »."""
        around = [self._split_window(place) for place in places.tolist() if place >= 0]
        return [f"{before}«{token}»{after}" for before, token, after in around]

    def _split_window(self, place: int) -> tuple[str, str, str]:
        """What stands before a token, itself, and what stands after, within its window."""
        first, at, end = self._stream.windows.span(place)
        ids, decode = self._stream.windows.ids, self._case.tokenizer.decode
        before, after = ids[max(first, at - AROUND) : at], ids[at + 1 : min(end, at + 1 + AROUND)]
        return decode(before.tolist()), self._case.tokenizer.show(int(ids[at])), decode(after.tolist())

    def _join_tokens(self, ids: Sequence[int]) -> str:
        return " · ".join(mark_space(self._case.tokenizer.show(token)) for token in ids)


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> Later[Atlas]:
    """Streams the text, some windows at a time."""
    explained = case.options.explainer is not None
    sizes = Sizes(case.options.examples, TRIED if explained else 0, WATCHED if explained else 0, case.options.seed)
    windows = windows_of(case)
    vocabulary = TokenIndex(sorted(set(windows.ids.tolist())), case.tokenizer.show)
    files = dictionaries_of(case).files
    loaded = [load_dictionary(one, model.device) for one in files]
    stream = AtlasStream(windows, loaded, vocabulary, sizes, case.unfinished)
    for portion in stream.portions():
        stream.take(portion, (yield stream.passes(portion)))
    found = _atlas(case, model, stream)
    if case.unfinished is not None:
        case.unfinished.drop()
    return found


def _atlas(case: Case[Options], model: LoadedModel, stream: AtlasStream) -> Atlas:
    """The findings, once the whole text has passed."""
    wholes = [stream.merge_halves(item) for item in range(len(stream.dictionaries))]
    scores = [_pattern_scores(stream, item) for item in range(len(wholes))]
    explainer = _explainer(case)
    cards = [_Cards(case, model, stream, item, wholes[item], scores[item], explainer) for item in range(len(wholes))]
    fired = np.concatenate([seen.fired for seen in wholes])
    tokens = int(wholes[0].tokens)
    held_out = np.concatenate([halves[1].fired for halves in stream.halves])
    predicted = _share(np.concatenate(scores)[held_out > 0] >= PREDICTS, "no feature fires on held-out text")
    return Atlas(
        dead_share=float((fired == 0).mean()),
        dense_share=float((fired > DENSE * tokens).mean()),
        predicted_share=predicted,
        density=[seen.fired / max(tokens, 1) for seen in wholes],
        histogram=[seen.histogram.astype(np.int32) for seen in wholes],
        dictionaries=dictionary_rows(case.options),
        summary=[_summary_row(stream, item, wholes[item], scores[item]) for item in range(len(wholes))],
        features=[row for one in cards for row in one.rows()],
        labels=[row for one in cards for row in one.label_rows()],
        examples=[row for one in cards for row in one.example_rows()],
        bins=[[at, float(lower), float(upper)] for at, (lower, upper) in enumerate(pairwise(EDGES))],
    )


def _share(flags: NDArray[Any], reason: str) -> Any:
    return float(flags.mean()) if len(flags) else reason


def _pattern_scores(stream: AtlasStream, item: int) -> NDArray[np.float64]:
    """(feature) area under the curve of each pattern on the held-out half; NaN where there is none."""
    held = stream.halves[item][1]
    areas = auc_of_pattern(held.hits, held.fired, stream.held_out_matches(item), int(held.tokens))
    return np.where([pattern is not None for pattern in stream.patterns[item]], areas, np.nan)


def _summary_row(stream: AtlasStream, item: int, seen: AtlasState, scores: NDArray[np.float64]) -> list[Cell]:
    tokens = int(seen.tokens)
    held_out = stream.halves[item][1].fired > 0
    return [
        item,
        tokens,
        float(seen.fired.sum()) / tokens,
        int((seen.fired == 0).sum()),
        int((seen.fired > DENSE * tokens).sum()),
        int(held_out.sum()),
        int((scores[held_out] >= PREDICTS).sum()),
    ]


def _explainer(case: Case[Options]) -> Explainer | None:
    if case.options.explainer is None:
        return None
    return Explainer.load(explainers_folder(case.options.explainer), torch.get_num_threads())


def best_label(labels: Sequence[Label]) -> Label:
    """The one for the card: what predicts held-out text first, the explainer's before the pattern's; then promoted
    tokens that agree; then what predicts a little; then promoted tokens whatever they are.
    """
    of = {label.origin: label for label in labels}
    tried = [of[origin] for origin in (EXPLAINER, EXAMPLES) if origin in of]
    sure = [label for label in tried if (label.score or 0.0) >= PREDICTS]
    others = [label for label in labels if label not in tried]
    agree = [label for label in others if (label.score or 0.0) >= AGREES]
    rather = [label for label in tried if (label.score or 0.0) >= ABOVE_CHANCE]
    return [*sure, *agree, *rather, *others, *tried][0]
