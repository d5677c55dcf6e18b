import math

import numpy as np
import pytest

from reportgen.numerics.attention import bin_edges, bin_patterns, row_entropy, sink_importance


def uniform(length: int) -> np.ndarray:
    """Causal attention that spreads evenly over what it may see."""
    return np.tril(np.ones((length, length))) / np.arange(1, length + 1)[:, None]


def test_sink_of_uniform_attention_over_64_tokens() -> None:
    # mean over queries q of 1/(q+1) = H(64)/64 = 4.7439/64
    assert sink_importance(uniform(64)) == pytest.approx(0.0741, abs=5e-5)


def test_a_later_key_counts_only_queries_that_see_it() -> None:
    # T = 3, key 1: queries 1, 2 give 1/2, 1/3; mean 5/12
    assert sink_importance(uniform(3), key=1) == pytest.approx(5 / 12)


def test_entropy_of_uniform_attention() -> None:
    # rows of 1, 2, 3 equal weights: (0 + ln 2 + ln 3) / 3
    assert row_entropy(uniform(3)) == pytest.approx((math.log(2) + math.log(3)) / 3)


@pytest.mark.parametrize(("length", "bins"), [(10, 4), (257, 256), (300, 7), (3, 8)])
def test_bins_against_loops(length: int, bins: int) -> None:
    pattern = np.random.default_rng(1).random((2, length, length))
    edges = bin_edges(length, bins)
    assert edges[0] == 0
    assert edges[-1] == length
    expected = np.zeros((2, len(edges) - 1, len(edges) - 1))
    for i in range(len(edges) - 1):
        for j in range(len(edges) - 1):
            for q in range(edges[i], edges[i + 1]):
                expected[:, i, j] += pattern[:, q, edges[j] : edges[j + 1]].sum(-1) / (edges[i + 1] - edges[i])
    assert bin_patterns(pattern, bins) == pytest.approx(expected)


def test_rows_of_bins_still_sum_to_one_and_the_future_stays_dark() -> None:
    found = bin_patterns(uniform(600), 256)
    assert found.sum(-1) == pytest.approx(np.ones(256))
    assert np.triu(found, 1).max() == 0
