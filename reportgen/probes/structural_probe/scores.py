"""How much of the trees the distances under a map give back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reportgen.numerics.one_thread import hold_one_thread
from reportgen.numerics.trees import LONGEST, SHORTEST, correlate_words, count_right, measure_tree, span_words
from reportgen.probes.structural_probe.trees import Sentence
from reportgen.training.representations import Rows
from reportgen.training.tree_maps import Maps

Points = NDArray[np.float32]
"""(layer x word x rank) words under the map of each layer."""


@dataclass(frozen=True)
class Scores:
    """Of test sentences at some layers."""

    uuas: NDArray[np.float64]
    """(layer) share of all edges that are found."""
    dspr: NDArray[np.float64]
    """(layer) correlation of distances; NaN where no sentence is of a length that counts."""


def map_words(rows: Rows, maps: Maps) -> Points:
    """The words of some sentences, seen through the maps."""
    with hold_one_thread():
        found: Points = rows @ maps.transpose(0, 2, 1)
    return found


def cut_sentences(points: Points, sentences: Sequence[Sentence]) -> Iterator[Points]:
    """The words of each sentence."""
    first = 0
    for one in sentences:
        end = first + len(one.words)
        yield points[:, first:end]
        first = end


def measure_square_distances(points: Points) -> NDArray[np.float64]:
    """(layer x word x word) between the words of a sentence: from their differences, so that what is the same is 0."""
    wide = points.astype(np.float64)
    apart: NDArray[np.float64] = np.square(wide[:, :, None] - wide[:, None]).sum(axis=-1)
    return apart


def find_edges(distances: NDArray[np.float64], sentence: Sentence) -> NDArray[np.int64]:
    """(layer x edge x 2) the minimum spanning tree over the words that are counted; its edges name places in the
    sentence.
    """
    counted = np.array(sentence.counted)
    edges: NDArray[np.int64] = counted[span_words(distances[:, counted][:, :, counted])]
    return edges


def score_points(points: Points, sentences: Sequence[Sentence]) -> Scores:
    """Both numbers at every layer; NaN where the words are no numbers."""
    right = np.zeros(len(points))
    correlations: dict[int, list[NDArray[np.float64]]] = {}
    for sentence, of_it in zip(sentences, cut_sentences(points, sentences), strict=True):
        distances = measure_square_distances(of_it)
        right += count_right(find_edges(distances, sentence), sentence.edges)
        found = correlate_words(distances, measure_tree(sentence.heads))
        correlations.setdefault(len(sentence.words), []).append(found)
    known = np.isfinite(points).all(axis=(1, 2))
    uuas = np.where(known, right / count_edges(sentences), np.nan)
    return Scores(uuas, np.where(known, _average_lengths(correlations, len(points)), np.nan))


def score_chain(sentences: Sequence[Sentence]) -> tuple[float, float]:
    """Both numbers of the chain, which joins each word to the next."""
    right = sum(len(set(one.edges).intersection(one.chain)) for one in sentences)
    correlations: dict[int, list[NDArray[np.float64]]] = {}
    for one in sentences:
        places = np.arange(len(one.words))
        apart = np.abs(places[:, None] - places)[None]
        correlations.setdefault(len(one.words), []).append(correlate_words(apart, measure_tree(one.heads)))
    return right / count_edges(sentences), float(_average_lengths(correlations, 1)[0])


def count_edges(sentences: Sequence[Sentence]) -> int:
    """Of all their trees."""
    return sum(len(one.edges) for one in sentences)


def _average_lengths(of_length: Mapping[int, Sequence[NDArray[np.float64]]], layers: int) -> NDArray[np.float64]:
    """(layer) from (layer x word) correlations of the sentences of each length: mean over the words of a length, of
    those that have one, then over the lengths.
    """
    means = []
    for length in sorted(of_length):
        if SHORTEST <= length <= LONGEST:
            words = np.concatenate(of_length[length], axis=1)
            there = np.isfinite(words)
            sums, counts = np.where(there, words, 0.0).sum(axis=1), there.sum(axis=1)
            means.append(np.divide(sums, counts, out=np.full(layers, np.nan), where=counts > 0))
    found: NDArray[np.float64] = np.mean(means, axis=0) if means else np.full(layers, np.nan)
    return found
