"""How many dimensions rows fill: planted ones are found, and intervals hold them."""

import numpy as np
import pytest

from reportgen.numerics.intrinsic_dimension import FEWEST, estimate_intrinsic_dimension


def distances_of(rows: np.ndarray) -> np.ndarray:
    return np.linalg.norm(rows[:, None] - rows[None], axis=-1)


@pytest.mark.parametrize("dimensions", [1, 2, 5])
def test_planted_dimensions_are_found(dimensions: int) -> None:
    draw = np.random.default_rng(dimensions)
    flat = draw.uniform(size=(600, dimensions)) @ np.linalg.qr(draw.normal(size=(30, dimensions)))[0].T
    found = estimate_intrinsic_dimension(distances_of(flat))
    assert found.low < dimensions * 1.1
    assert found.high > dimensions * 0.9
    assert found.value == pytest.approx(dimensions, rel=0.15)


def test_it_is_the_maximum_of_the_likelihood_made_unbiased() -> None:
    apart = distances_of(np.random.default_rng(0).uniform(size=(50, 3)))
    ordered = np.sort(apart, axis=1)
    ratios = ordered[:, 2] / ordered[:, 1]  # the nearest of all is itself
    assert estimate_intrinsic_dimension(apart).value == pytest.approx(49 / np.log(ratios).sum())


def test_the_interval_holds_the_dimension_about_as_often_as_it_says() -> None:
    draw = np.random.default_rng(1)
    held = 0
    for _ in range(200):
        found = estimate_intrinsic_dimension(distances_of(draw.uniform(size=(60, 2))))
        held += found.low <= 2 <= found.high
    assert 0.85 <= held / 200 <= 1.0


def test_few_rows_and_doubles_say_nothing() -> None:
    draw = np.random.default_rng(2)
    assert np.isnan(estimate_intrinsic_dimension(distances_of(draw.normal(size=(FEWEST - 1, 4)))).value)
    twice = np.repeat(draw.normal(size=(40, 4)), 2, axis=0)
    assert np.isnan(estimate_intrinsic_dimension(distances_of(twice)).value)
