"""How it is measured."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.model.needs import PassResult
from reportgen.model.network.loaded import LoadedModel
from reportgen.numerics.principal import principal_points
from reportgen.numerics.trees import measure_tree
from reportgen.probes.structural_probe import Structure
from reportgen.probes.structural_probe.options import Options
from reportgen.probes.structural_probe.readings import Readings, ReadSentence, group_layers, readings_of
from reportgen.probes.structural_probe.scores import (
    Points,
    Scores,
    count_edges,
    cut_sentences,
    find_edges,
    map_words,
    measure_square_distances,
    score_chain,
    score_points,
)
from reportgen.probes.structural_probe.trees import ROOT, Sentence
from reportgen.probing.case import Case
from reportgen.probing.findings import reason_rows
from reportgen.probing.probe import Later
from reportgen.results.quantities import Rows as TableRows
from reportgen.training.representations import Rows, read_rows, standardise
from reportgen.training.tree_maps import fit_tree_maps

COMPONENTS = 2
NOT_MEASURED = "at no layer are the representations finite numbers"
NO_LENGTH = "no test sentence has 5 to 50 words"


@dataclass(frozen=True)
class _Task:
    """What is the same at every layer: the sentences and their trees."""

    readings: Readings
    trees: Sequence[NDArray[np.int64]]
    """(sentence) of those trained on."""
    words: int
    """Of the sentences trained on: their rows come first."""
    seed: int

    def train(self, rows: Rows, rank: int) -> tuple[Scores, Points]:
        """Maps of some layers, from (layer x word x width) standardised rows of all sentences: how they do on the test
        sentences, and the words of these under them.
        """
        maps = fit_tree_maps(rows[:, : self.words], self.trees, rank, self.seed)
        points = map_words(rows[:, self.words :], maps)
        return score_points(points, [one.sentence for one in self.readings.tested]), points


@dataclass
class _Measured:
    """What was found, layer after layer."""

    scores: Scores
    points: list[Points]
    """(drawn sentence)"""
    best: Rows
    """(1 x word x width) the rows of the best layer."""

    @property
    def best_place(self) -> int | None:
        """Of the layers measured, the place of the best, the first of equals; None where none is measured."""
        uuas = self.scores.uuas
        return int(np.nanargmax(uuas)) if np.isfinite(uuas).any() else None


def run(case: Case[Options], model: LoadedModel, captured: Sequence[PassResult]) -> Later[Structure]:
    """The model's layers, then the twin's."""
    readings = readings_of(case)
    trained = readings.trained
    trees = [measure_tree(one.sentence.heads) for one in trained]
    task = _Task(readings, trees, sum(len(one.positions) for one in trained), case.options.seed)
    groups = group_layers(case, readings.words)
    measured = yield from _measure(task, groups, case.options, twin=False)
    sweep = _sweep_ranks(task, measured, case.options)
    measured.best = measured.best[:, :0]  # as large as a layer, and not needed while the twin is read
    twin = (yield from _measure(task, groups, case.options, twin=True)) if case.options.twin else None
    layers = [layer for group in groups for layer in group]
    return _build(task, layers, measured, twin, sweep)


def _measure(
    task: _Task, groups: Sequence[tuple[int, ...]], options: Options, *, twin: bool
) -> Generator[Any, Any, _Measured]:
    """All layers, a group at a time."""
    of_groups: list[_Measured] = []
    sentences = [one.sentence for one in task.readings.tested]
    for group in groups:
        rows = yield from _read(task, group, task.seed if twin else None)
        scores, points = task.train(rows, options.rank)
        of_it = list(cut_sentences(points, sentences))
        drawn = [of_it[at] for at in task.readings.shown]
        found = _Measured(scores, drawn, rows[:0])
        if found.best_place is not None and not twin:
            found.best = rows[found.best_place][None].copy()
        of_groups.append(found)
        del rows
    return _join(of_groups)


def _read(task: _Task, layers: tuple[int, ...], twin_seed: int | None) -> Generator[Any, Any, Rows]:
    """(layer x word x width) standardised rows of all sentences, those trained on first."""
    read: Sequence[ReadSentence] = task.readings.all
    texts, positions = [one.tokens for one in read], [one.positions for one in read]
    rows: Rows = yield from read_rows(texts, positions, layers, twin_seed=twin_seed)
    trained = np.arange(rows.shape[1]) < task.words
    for layer in range(len(rows)):  # in its place: all at once would be there twice
        rows[layer] = standardise(rows[layer][None], trained)[0]
    return rows


def _join(groups: Sequence[_Measured]) -> _Measured:
    scores = Scores(*(np.concatenate([getattr(one.scores, name) for one in groups]) for name in ("uuas", "dspr")))
    points = [np.concatenate(of_it) for of_it in zip(*(one.points for one in groups), strict=True)]
    able = [one for one in groups if one.best_place is not None] or list(groups[:1])
    best = max(able, key=lambda one: np.nan_to_num(one.scores.uuas).max())
    return _Measured(scores, points, best.best)


def _sweep_ranks(task: _Task, measured: _Measured, options: Options) -> TableRows:
    """(rank, uuas, dspr) at the best layer, that of the battery's rank among them."""
    place = measured.best_place
    if not options.ranks or place is None:
        return []
    found = {options.rank: (measured.scores.uuas[place], measured.scores.dspr[place])}
    for rank in options.ranks:
        if rank not in found:
            scores, _ = task.train(measured.best, rank)
            found[rank] = (scores.uuas[0], scores.dspr[0])
    return [[rank, _cell(uuas), _cell(dspr)] for rank, (uuas, dspr) in sorted(found.items())]


def _build(
    task: _Task, layers: Sequence[int], measured: _Measured, twin: _Measured | None, sweep: TableRows
) -> Structure:
    readings, place = task.readings, measured.best_place
    tested = [one.sentence for one in readings.tested]
    uuas, dspr = measured.scores.uuas, measured.scores.dspr
    chain, chain_dspr = score_chain(tested)
    distances = [measure_square_distances(points) for points in measured.points]
    drawn = zip(readings.shown, measured.points, strict=True)
    planes = [[_find_plane(layer, tested[at]) for layer in points] for at, points in drawn]
    return Structure(
        coordinates={"layer": layers},
        uuas=NOT_MEASURED if place is None else float(uuas[place]),
        dspr=NOT_MEASURED if place is None else _or_reason(dspr[place], NO_LENGTH),
        best_layer=NOT_MEASURED if place is None else layers[place],
        uuas_embedding=_or_reason(uuas[0], NOT_MEASURED),
        uuas_twin=None if twin is None else _find_best(twin),
        uuas_chain=chain,
        dspr_chain=_or_reason(chain_dspr, NO_LENGTH),
        trained_sentences=len(readings.trained),
        test_sentences=len(tested),
        edges=count_edges(tested),
        left_out=readings.left_out,
        unfit=readings.unfit,
        uuas_by_layer=uuas,
        dspr_by_layer=dspr,
        uuas_random=None if twin is None else twin.scores.uuas,
        dspr_random=None if twin is None else twin.scores.dspr,
        distances=distances,
        points=[np.stack([points for points, _ in plane]) for plane in planes],
        explained_variance=[np.stack([explained for _, explained in plane]) for plane in planes],
        sweep=sweep,
        skipped=reason_rows({one.text: "a token reaches over the end of a word" for one in readings.undrawn}),
        **_tell_drawn(readings, distances, place),
    )


def _find_plane(words: NDArray[np.float32], sentence: Sentence) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(word x component) a sentence's words on the plane that shows most of those that are counted, NaN the others; and
    (component) the shares of the variance.
    """
    points = np.full((len(words), COMPONENTS), np.nan)
    if not np.isfinite(words).all():
        return points, np.full(COMPONENTS, np.nan)
    points[sentence.counted], explained = principal_points(words[sentence.counted], COMPONENTS)
    return points, explained


def _tell_drawn(
    readings: Readings, distances: Sequence[NDArray[np.float64]], place: int | None
) -> dict[str, TableRows]:
    """The tables of the sentences that are drawn."""
    shown: TableRows = []
    parses: TableRows = []
    recovered: TableRows = []
    for number, (at, apart) in enumerate(zip(readings.shown, distances, strict=True)):
        sentence = readings.tested[at].sentence
        gold = sentence.edges
        edges = [] if place is None else [tuple(edge) for edge in find_edges(apart[place][None], sentence)[0].tolist()]
        recovered += [[number, *edge, edge in gold] for edge in edges]
        shown.append([number, sentence.id, sentence.text, sum(edge in gold for edge in edges), len(gold)])
        for word, (form, head) in enumerate(zip(sentence.words, sentence.heads, strict=True)):
            marks = [None if head == ROOT else head, not sentence.punctuation[word]]
            parses.append([number, word, form, *marks])
    return {"shown": shown, "parses": parses, "recovered": recovered}


def _find_best(measured: _Measured) -> float | str:
    return NOT_MEASURED if measured.best_place is None else float(measured.scores.uuas[measured.best_place])


def _or_reason(value: float, reason: str) -> float | str:
    return float(value) if np.isfinite(value) else reason


def _cell(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
