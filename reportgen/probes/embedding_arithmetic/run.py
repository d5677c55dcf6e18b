"""How it is measured."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reportgen.model.needs import PassResult
from reportgen.model.network.loaded import LoadedModel, select_likeliest
from reportgen.numerics.analogy import complete_analogy, difference_cosines, says_something
from reportgen.numerics.similarity import unit_rows
from reportgen.probes.embedding_arithmetic import (
    Arithmetic,
    Options,
    asked_layers,
    ids_of,
    need_of,
    rows_left_out,
    usable_words,
)
from reportgen.probes.embedding_arithmetic.words import WordPair
from reportgen.probing.case import Case
from reportgen.probing.findings import reason_rows
from reportgen.results.quantities import Rows
from reportgen.text.spellings import find_spellings

DRAWS = 100
"""Random pairings of the same words."""
TOGETHER = 16
"""Targets compared with the whole vocabulary at a time."""
_SMALLEST = 1e-12
"""A norm below which a row counts as zero."""


@dataclass(frozen=True)
class _Analogy:
    """a − b + c, and what is expected."""

    a: str
    b: str
    c: str
    expected: str | None = None
    written: bool = True
    """Whether the battery has it, and not two of its pairs."""

    @property
    def sum(self) -> tuple[frozenset[str], str, str | None]:
        """What is asked: a and c change places without changing it."""
        return frozenset((self.a, self.c)), self.b, self.expected

    @property
    def given(self) -> tuple[str, str, str]:
        """The words that are calculated with."""
        return self.a, self.b, self.c

    @property
    def words(self) -> tuple[str, ...]:
        """All its words."""
        return self.given + (() if self.expected is None else (self.expected,))


@dataclass(frozen=True)
class _AnalogyResult:
    """What one analogy came to at one layer."""

    rank: float
    """Of the expected word; NaN where none is."""
    candidates: int
    nearest: Rows
    """Rows of (rank, token_id, token, similarity)."""


class _Candidates(Protocol):
    """The words that a − b + c is compared with."""

    def find_nearest(
        self, analogies: Sequence[_Analogy], vectors: Mapping[str, Tensor], at: int
    ) -> list[_AnalogyResult]:
        """(analogy) what is nearest, and where the expected word stands, at the layer that is read as number `at`."""


@dataclass(frozen=True)
class _WholeTable:
    """All rows of the embedding table."""

    case: Case[Options]
    model: LoadedModel
    spellings: Mapping[str, frozenset[int]]
    """Word -> tokens that spell it; empty where spellings are not folded."""

    def find_nearest(
        self, analogies: Sequence[_Analogy], vectors: Mapping[str, Tensor], at: int
    ) -> list[_AnalogyResult]:
        found = []
        for start in range(0, len(analogies), TOGETHER):
            some = analogies[start : start + TOGETHER]
            targets = _targets(some, vectors, at)
            lengths = targets.norm(dim=1, keepdim=True).clamp_min(_SMALLEST)
            cosines = self.model.embedding_scores(targets) / lengths / self.model.embedding_norms.clamp_min(_SMALLEST)
            if not bool(cosines.isfinite().all()):
                raise ArithmeticError("the embedding table holds values that are not finite")
            found += [self._find_one(one, vectors, *row) for one, *row in zip(some, targets, cosines, strict=True)]
        return found

    def _find_one(
        self, analogy: _Analogy, vectors: Mapping[str, Tensor], target: Tensor, cosines: Tensor
    ) -> _AnalogyResult:
        """Of one (width) target and its (vocabulary) cosines."""
        ids = {word: ids_of(self.case, word) for word in analogy.words}
        own = float("nan")
        if analogy.expected is not None:
            of_expected = ids[analogy.expected]
            # A row's cosine with itself is taken from the same product: it would differ in its last bits.
            whole = unit_rows(vectors[analogy.expected][0]) @ unit_rows(target)
            own = float(cosines[of_expected[0]] if len(of_expected) == 1 else whole)
        left_out = self._left_out(analogy, ids)
        cosines[left_out] = float("-inf")
        values, best = select_likeliest(cosines[None], min(self.case.options.k, len(cosines) - len(left_out)))
        pairs = zip(best[0].tolist(), values[0].tolist(), strict=True)
        nearest: Rows = [[rank, i, self.case.tokenizer.show(i), value] for rank, (i, value) in enumerate(pairs, 1)]
        rank = 1.0 + int((cosines > own).sum()) if analogy.expected is not None else float("nan")
        return _AnalogyResult(rank, len(cosines) - len(left_out), nearest)

    def _left_out(self, analogy: _Analogy, ids: Mapping[str, Sequence[int]]) -> list[int]:
        """Ids of the given words, and of what spells them where spellings are folded."""
        given = {ids[word][0] for word in analogy.given if len(ids[word]) == 1}
        if self.case.options.fold == "spelling":
            given.update(*(self.spellings[word] for word in analogy.given))
        return sorted(given)


@dataclass(frozen=True)
class _WordsOfTheProbe:
    """All words that are read in context."""

    options: Options

    def find_nearest(
        self, analogies: Sequence[_Analogy], vectors: Mapping[str, Tensor], at: int
    ) -> list[_AnalogyResult]:
        if not analogies:
            return []
        words = list(vectors)
        units = unit_rows(torch.stack([vectors[word][at] for word in words]))
        cosines = unit_rows(_targets(analogies, vectors, at)) @ units.T
        return [self._find_one(one, words, row) for one, row in zip(analogies, cosines.tolist(), strict=True)]

    def _find_one(self, analogy: _Analogy, words: Sequence[str], cosines: Sequence[float]) -> _AnalogyResult:
        """Of one target's (word) cosines."""
        others = [at for at, word in enumerate(words) if not self.options.leaves_out(word, analogy.given)]
        order = sorted(others, key=lambda at: (-cosines[at], at))
        nearest: Rows = [[rank, None, words[at], cosines[at]] for rank, at in enumerate(order[: self.options.k], 1)]
        if analogy.expected is None:
            return _AnalogyResult(float("nan"), len(others), nearest)
        own = cosines[words.index(analogy.expected)]
        return _AnalogyResult(1.0 + sum(cosines[at] > own for at in others), len(others), nearest)


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> Arithmetic:
    """Vectors of all words, then ranks of all analogies and cosines of all differences."""
    words = usable_words(case)
    pairs = [pair for pair in case.options.pairs if {pair.first, pair.second} <= set(words)]
    analogies = [one for one in _analogies(case.options, pairs) if set(one.words) <= set(words)]
    vectors = dict(zip(words, _vectors(case, model, words, captured), strict=True))
    return _findings(case, pairs, analogies, vectors, _candidates(case, model, analogies))


def _candidates(case: Case[Options], model: LoadedModel, analogies: Sequence[_Analogy]) -> _Candidates:
    if case.options.layers != "table":
        return _WordsOfTheProbe(case.options)
    folded = [word for one in analogies for word in one.given] if case.options.fold == "spelling" else []
    return _WholeTable(case, model, find_spellings(case.tokenizer, folded))


def _analogies(options: Options, pairs: Sequence[WordPair]) -> list[_Analogy]:
    """Those that are written, then those that each two pairs of a group make; each sum once."""
    found = [_Analogy(one[0], one[1], one[2], one[3] if one[3:] else None) for one in options.analogies]
    for one, other in permutations(pairs, 2):
        made = _Analogy(one.first, one.second, other.second, other.first, written=False)
        if one.group == other.group and not options.leaves_out(other.first, made.given):
            found.append(made)
    once: dict[object, _Analogy] = {}
    for analogy in found:
        once.setdefault(analogy.sum, analogy)
    return list(once.values())


def _vectors(case: Case[Options], model: LoadedModel, words: Sequence[str], captured: Sequence[PassResult]) -> Tensor:
    """(word x layer x width) in float32."""
    if not words:
        return torch.empty(0, len(asked_layers(case)), 1)
    if case.options.layers == "table":
        rows = [model.embedding_table[list(ids_of(case, word))].float() for word in words]
        return torch.stack([row.mean(0) if case.options.pool == "mean" else row[-1] for row in rows])[:, None]
    kept = [single.tensors_of(need_of(case, word), 0) for word, single in zip(words, captured, strict=True)]
    return torch.stack([torch.cat(layers) for layers in kept]).float()


def _targets(analogies: Sequence[_Analogy], vectors: Mapping[str, Tensor], at: int) -> Tensor:
    """(analogy x width) a − b + c."""
    a, b, c = (
        torch.stack([vectors[word][at] for word in words])
        for words in zip(*((one.a, one.b, one.c) for one in analogies), strict=True)
    )
    targets: Tensor = complete_analogy(a, b, c)
    return targets


def _findings(
    case: Case[Options],
    pairs: Sequence[WordPair],
    analogies: Sequence[_Analogy],
    vectors: Mapping[str, Tensor],
    candidates: _Candidates,
) -> Arithmetic:
    layers = asked_layers(case)
    by_layer = [candidates.find_nearest(analogies, vectors, at) for at in range(len(layers))]
    ranks = np.array([[one.rank for one in found] for found in by_layer], np.float32).T
    ranks = ranks.reshape(len(analogies), len(layers))
    asked = ranks[~np.isnan(ranks).all(1)]
    places = list(combinations(range(len(pairs)), 2))
    same = [pairs[a].group == pairs[b].group for a, b in places]
    parallel = _measure_parallelism(pairs, vectors, places, len(layers))
    control = _control(pairs, vectors, [place for place, alike in zip(places, same, strict=True) if alike], case)
    alike = parallel[np.array(same, bool)] if places else parallel
    best = _find_best_layer(asked, alike)
    ranked = [one for one in by_layer[best] if not math.isnan(one.rank)]
    no_pairs = "no two word pairs of one group are here"
    return Arithmetic(
        coordinates={"layer": layers},
        success_at_1=_share_successes(ranked, 1),
        success_at_5=_share_successes(ranked, 5),
        parallelism=float(alike[:, best].mean()) if len(alike) else no_pairs,
        random_parallelism=float(control[:, best].mean()) if len(control) else no_pairs,
        best_layer="words are read in the table" if case.options.layers == "table" else layers[best],
        rank=ranks,
        parallel=parallel,
        control=control,
        analogies=[
            [item, one.a, one.b, one.c, one.expected, *_rank_cells(by_layer[best][item]), one.written]
            for item, one in enumerate(analogies)
        ],
        nearest=[[item, *row] for item in range(len(analogies)) for row in by_layer[best][item].nearest],
        words=[[item, pair.first, pair.second, pair.group] for item, pair in enumerate(pairs)],
        pairs=[[at, *place, alike] for at, (place, alike) in enumerate(zip(places, same, strict=True))],
        skipped=reason_rows(rows_left_out(case)),
    )


def _share_successes(ranked: Sequence[_AnalogyResult], most: int) -> float | str:
    """The share with a rank of at most `most`, of those with so many candidates that this says something."""
    if not ranked:
        return "no analogy with an expected word can be made here"
    telling = [one.rank <= most for one in ranked if says_something(most, one.candidates)]
    if not telling:
        return f"among {max(one.candidates for one in ranked)} candidates or fewer, a rank of {most} is no finding"
    return float(np.mean(telling))


def _rank_cells(found: _AnalogyResult) -> list[int | None]:
    return [int(found.rank) if found.rank == found.rank else None, found.candidates]


def _find_best_layer(ranks: NDArray[np.float32], alike: NDArray[np.float32]) -> int:
    """Which of the layers that are read has most success, the first of equals; without ranks, most parallelism."""
    if len(ranks):
        return int((ranks <= 1).mean(0).argmax())
    return int(alike.mean(0).argmax()) if len(alike) else 0


def _measure_parallelism(
    pairs: Sequence[WordPair], vectors: Mapping[str, Tensor], places: Sequence[tuple[int, int]], layers: int
) -> NDArray[np.float32]:
    """(pair x layer) cosines of differences."""
    if not places:
        return np.empty((0, layers), np.float32)
    first = torch.stack([vectors[pair.first] for pair in pairs], dim=1)
    second = torch.stack([vectors[pair.second] for pair in pairs], dim=1)
    return _choose_cosines(difference_cosines(first, second), places)


def _control(
    pairs: Sequence[WordPair], vectors: Mapping[str, Tensor], places: Sequence[tuple[int, int]], case: Case[Options]
) -> NDArray[np.float32]:
    """(draw x layer) mean cosine of as many differences, of the same words paired at random."""
    if not places:
        return np.empty((0, len(asked_layers(case))), np.float32)
    words = torch.stack([vectors[word] for pair in pairs for word in (pair.first, pair.second)], dim=1)
    generator = random.Random(case.options.seed)
    means = []
    for _ in range(DRAWS):
        order = generator.sample(range(words.shape[1]), words.shape[1])
        cosines = difference_cosines(words[:, order[0::2]], words[:, order[1::2]])
        means.append(_choose_cosines(cosines, places).mean(0))
    return np.stack(means)


def _choose_cosines(cosines: Tensor, places: Sequence[tuple[int, int]]) -> NDArray[np.float32]:
    """(pair x layer) from (layer x item x item)."""
    a, b = ([place[side] for place in places] for side in (0, 1))
    chosen: NDArray[np.float32] = cosines[:, a, b].T.float().cpu().numpy()
    return chosen
