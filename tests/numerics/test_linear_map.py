"""A fitted linear map."""

import numpy as np
import pytest

from reportgen.numerics.linear_map import fit_linear_map, r_squared

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(60, 5)) + 3
TRUE = RANDOM.normal(size=(5, 3))
Y = X @ TRUE + np.array([1.0, -2.0, 5.0])


def test_a_planted_map_is_found_with_its_offset() -> None:
    found = fit_linear_map(X[:40], Y[:40], 0.0)
    assert found.weights == pytest.approx(TRUE)
    assert found(X[40:]) == pytest.approx(Y[40:])
    assert r_squared(Y[40:], found(X[40:])) == pytest.approx(1)


def test_against_lstsq_on_rows_with_a_column_of_ones() -> None:
    noisy = Y + RANDOM.normal(size=Y.shape)
    ones = np.hstack([X, np.ones((len(X), 1))])
    expected = np.linalg.lstsq(ones, noisy, rcond=None)[0]
    assert fit_linear_map(X, noisy, 0.0)(X) == pytest.approx(ones @ expected)
    without_offset = X @ np.linalg.lstsq(X, noisy, rcond=None)[0]
    assert np.abs(without_offset - ones @ expected).max() > 0.1


def test_a_ridge_shrinks_the_map_towards_the_mean() -> None:
    sizes = [np.linalg.norm(fit_linear_map(X, Y, ridge).weights) for ridge in (0.0, 0.1, 10.0)]
    assert sizes[0] > sizes[1] > sizes[2]
    assert fit_linear_map(X, Y, 1e9)(X) == pytest.approx(np.tile(Y.mean(0), (60, 1)), abs=1e-4)


def test_the_mean_scores_0() -> None:
    assert r_squared(Y, np.tile(Y.mean(0), (60, 1))) == pytest.approx(0)
