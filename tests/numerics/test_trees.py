"""Distances in trees, spanning trees and correlations, against libraries and plain loops."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.sparse.csgraph import minimum_spanning_tree, shortest_path
from scipy.stats import spearmanr

from reportgen.numerics.trees import correlate_words, count_right, measure_tree, span_words


def make_heads(count: int, seed: int) -> list[int]:
    """A random tree, its words in random order."""
    random = np.random.default_rng(seed)
    order = random.permutation(count).tolist()
    heads = [-1] * count
    for at in range(1, count):
        heads[order[at]] = order[random.integers(at)]
    return heads


def edges_of(heads: list[int]) -> list[tuple[int, int]]:
    return sorted((min(word, head), max(word, head)) for word, head in enumerate(heads) if head >= 0)


@pytest.mark.parametrize("seed", range(5))
def test_distances_in_a_tree_are_shortest_paths(seed: int) -> None:
    heads = make_heads(12, seed)
    graph = np.zeros((12, 12))
    for first, second in edges_of(heads):
        graph[first, second] = 1
    np.testing.assert_array_equal(measure_tree(heads), shortest_path(graph, directed=False, unweighted=True))


@pytest.mark.parametrize("seed", range(5))
def test_spanning_trees_are_those_of_scipy_where_no_two_distances_are_equal(seed: int) -> None:
    random = np.random.default_rng(seed)
    distances = random.random((3, 2, 9, 9))
    distances = distances + distances.swapaxes(-1, -2)
    found = span_words(distances)
    assert found.shape == (3, 2, 8, 2)
    for at in np.ndindex(3, 2):
        rows, columns = minimum_spanning_tree(np.triu(distances[at], 1)).nonzero()
        assert {*map(tuple, found[at].tolist())} == {*zip(rows.tolist(), columns.tolist(), strict=True)}


def test_words_at_one_place_are_joined_though_their_distance_is_0() -> None:
    places = np.array([0.0, 5.0, 0.0, 9.0])
    found = span_words(np.abs(places[:, None] - places))
    assert found.tolist() == [[0, 2], [0, 1], [1, 3]]


@pytest.mark.parametrize("seed", range(5))
def test_the_tree_itself_is_found_in_its_distances(seed: int) -> None:
    heads = make_heads(15, seed)
    edges = edges_of(heads)
    found = span_words(measure_tree(heads))
    assert {*map(tuple, found.tolist())} == {*edges}
    assert count_right(found, edges) == len(edges)


def test_edges_are_counted_one_by_one() -> None:
    found = np.array([[[0, 1], [1, 2]], [[0, 2], [1, 2]]])
    assert count_right(found, [(0, 1), (2, 7)]).tolist() == [1, 0]
    assert count_right(found, [(1, 2), (0, 2)]).tolist() == [1, 2]
    assert count_right(span_words(np.zeros((1, 1))), []) == 0


def test_correlations_are_those_of_scipy_a_word_at_a_time() -> None:
    random = np.random.default_rng(0)
    distances = random.integers(0, 5, (2, 3, 8, 8)).astype(float)  # with ties
    gold = measure_tree(make_heads(8, 0))
    found = correlate_words(distances, gold)
    assert found.shape == (2, 3, 8)
    for at in np.ndindex(2, 3, 8):
        assert found[at] == pytest.approx(spearmanr(distances[at], gold[at[-1]]).statistic)


def test_squares_have_the_ranks_of_what_they_are_squares_of() -> None:
    distances = np.random.default_rng(0).random((7, 7))
    gold = measure_tree(make_heads(7, 1))
    np.testing.assert_allclose(correlate_words(distances, gold), correlate_words(distances**2, gold))


def test_a_word_as_far_from_all_others_has_no_correlation() -> None:
    assert np.isnan(correlate_words(np.ones((3, 3)), measure_tree([-1, 0, 1]))).all()


def test_a_chain_is_a_chain() -> None:
    places = np.arange(6)
    apart = np.abs(places[:, None] - places).astype(float)
    assert {*map(tuple, span_words(apart).tolist())} == {*pairwise(range(6))}
