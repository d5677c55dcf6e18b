"""How far groups lie apart: against scikit-learn and plain loops; what chance gives."""

from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import silhouette_score

from reportgen.numerics.intrinsic_dimension import estimate_intrinsic_dimension
from reportgen.numerics.separation import (
    find_highest_by_chance,
    find_p_of_largest,
    measure_distances,
    measure_partings,
    measure_plain_distances,
    measure_silhouettes,
    shuffle_labels,
)

LABELS = np.array([0] * 7 + [1] * 5 + [2] * 3)


@pytest.fixture(scope="module")
def rows() -> Any:
    draw = np.random.default_rng(0)
    return draw.normal(size=(15, 40)) + LABELS[:, None] * draw.normal(size=40)


def unit(rows: Any) -> Any:
    centred = rows - rows.mean(0)
    return centred / np.linalg.norm(centred, axis=1, keepdims=True)


def test_distances_are_those_of_centred_rows_of_length_1(rows: Any) -> None:
    points = unit(rows)
    expected = [[np.linalg.norm(a - b) for b in points] for a in points]
    np.testing.assert_allclose(measure_distances(rows), expected, atol=1e-7)


def test_neither_a_shared_shift_nor_the_size_of_rows_changes_them(rows: Any) -> None:
    shift = np.zeros(40)
    shift[3] = 3000.0  # as the residual stream has it
    np.testing.assert_allclose(measure_distances(rows * 7 + shift), measure_distances(rows), atol=1e-6)


def test_rows_that_are_all_alike_are_not_apart() -> None:
    assert (measure_distances(np.full((6, 8), 0.1, np.float32) * 1e4) == 0).all()


@pytest.mark.parametrize("labels", [LABELS, np.array([0] * 13 + [1, 2])], ids=["groups", "one alone"])
def test_silhouettes_are_scikit_learns(rows: Any, labels: Any) -> None:
    orders = shuffle_labels(labels, 5, seed=1)
    expected = [silhouette_score(unit(rows), order) for order in orders]
    np.testing.assert_allclose(measure_silhouettes(measure_distances(rows), orders), expected, atol=1e-7)


def test_a_parting_is_that_of_a_plain_loop(rows: Any) -> None:
    distances, labels = measure_distances(rows), (LABELS > 0).astype(np.intp)
    a, b = np.flatnonzero(labels == 0), np.flatnonzero(labels == 1)
    within = [np.mean([distances[i, j] for i, j in combinations(of, 2)]) for of in (a, b)]
    between = np.mean([distances[i, j] for i, j in product(a, b)])
    found = measure_partings(distances, labels[None])[0]
    assert found == pytest.approx(1 - sum(within) / (2 * between))
    biased = [np.mean([distances[i, j] for i, j in product(of, of)]) for of in (a, b)]  # each with itself, too
    assert found != pytest.approx(1 - sum(biased) / (2 * between), abs=0.01)


def test_two_points_part_wholly_and_equal_rows_not_at_all() -> None:
    apart = np.repeat(np.array([[1.0, 0.0], [0.0, 1.0]]), 4, axis=0)
    labels = np.array([[0] * 4 + [1] * 4])
    assert measure_partings(measure_distances(apart), labels)[0] == pytest.approx(1)
    assert np.isnan(measure_partings(measure_distances(np.ones((8, 2))), labels)[0])


def test_two_samples_of_the_same_part_by_nothing_on_average() -> None:
    draw = np.random.default_rng(2)
    labels = np.array([[0] * 6 + [1] * 6])
    found = [measure_partings(measure_distances(draw.normal(size=(12, 30))), labels)[0] for _ in range(400)]
    assert abs(np.mean(found)) < 3 * np.std(found) / 20


def test_of_many_layers_one_stands_out_by_chance_no_more_often_than_it_says() -> None:
    draw = np.random.default_rng(3)
    labels = np.array([0] * 6 + [1] * 6)
    smallest, single = [], []
    for trial in range(200):
        layers = [draw.normal(size=(12, 20)) for _ in range(12)]
        orders = shuffle_labels(labels, 99, seed=trial)
        values = np.stack([measure_partings(measure_distances(one), orders) for one in layers], axis=1)
        smallest.append(find_p_of_largest(values).min())
        single.append((values >= values[0]).mean(0).min())
    assert np.mean(np.array(smallest) <= 0.05) < 0.09
    assert np.mean(np.array(single) <= 0.05) > 0.3  # looked at one by one, some layer nearly always would


def test_what_no_shuffling_reaches_has_the_smallest_p() -> None:
    values = np.array([[0.9, 0.15], [0.2, 0.3], [0.1, 0.0], [np.nan, 0.2]])
    np.testing.assert_allclose(find_p_of_largest(values), [0.25, 0.75])


def test_shuffled_labels_keep_their_counts_and_depend_on_the_seed_alone() -> None:
    one, again, other = (shuffle_labels(LABELS, 3, seed) for seed in (0, 0, 1))
    assert (one[0] == LABELS).all()
    assert (np.sort(one, axis=1) == LABELS).all()
    assert (one == again).all()
    assert (one != other).any()


def test_the_line_of_chance_is_where_p_is_five_per_cent() -> None:
    values = np.random.default_rng(4).normal(size=(400, 6))
    line = find_highest_by_chance(values)
    values[0] = [line - 0.01, line + 0.01, 0, 0, 0, 0]
    chances = find_p_of_largest(values)
    assert chances[0] > 0.05 > chances[1] - 0.003


def test_rows_as_they_are_lie_in_as_many_dimensions_as_they_have() -> None:
    draw = np.random.default_rng(5)
    flat = draw.normal(size=(300, 2)) @ np.linalg.qr(draw.normal(size=(20, 2)))[0].T
    assert estimate_intrinsic_dimension(measure_plain_distances(flat)).value == pytest.approx(2, rel=0.2)
    assert estimate_intrinsic_dimension(measure_distances(flat)).value < 1.4  # scaled to length 1: on a circle
