import numpy as np
import pytest
import torch

from reportgen.numerics.cka import alignment, alignments, centred_kernel, unit_kernel
from reportgen.numerics.neighbours import mark_neighbours, shared_neighbours, stepped_cosines
from reportgen.numerics.shuffled import calibrate, chance_of_each
from tests.reference import similarity_between_models as slow

N, K = 14, 3
RANDOM = np.random.default_rng(0)
ROWS = RANDOM.normal(size=(N, 6))
OTHERS = ROWS @ RANDOM.normal(size=(6, 9)) + RANDOM.normal(size=(N, 9))
TEXTS = np.arange(N) // 4
APART = TEXTS[:, None] != TEXTS[None, :]


def marks(rows: np.ndarray, k: int = K, candidates: np.ndarray = APART) -> np.ndarray:
    return np.asarray(mark_neighbours(stepped_cosines(rows), candidates, k))


def share(one: np.ndarray, other: np.ndarray, k: int = K, candidates: np.ndarray = APART) -> float:
    stacks = [marks(rows, k, candidates)[None].astype(np.float32) for rows in (one, other)]
    return float(shared_neighbours(*stacks, k)[0, 0])


def test_neighbours_are_those_of_the_slow_reference_and_none_is_of_the_same_text() -> None:
    found = marks(ROWS)
    assert [set(np.flatnonzero(row)) for row in found] == slow.neighbours(ROWS, APART, K)
    assert found.sum(axis=1).tolist() == [K] * N
    assert not found[~APART].any()


def test_shared_neighbours_are_as_the_slow_reference_has_them_and_not_jaccards() -> None:
    assert share(ROWS, OTHERS) == pytest.approx(slow.mutual_knn(ROWS, OTHERS, APART, K))
    wrong = slow.mutual_knn(ROWS, OTHERS, APART, K, over="union")
    assert share(ROWS, OTHERS) != pytest.approx(wrong, abs=0.01)


def test_a_rotated_and_scaled_copy_has_the_same_neighbours() -> None:
    turn, _ = np.linalg.qr(RANDOM.normal(size=(6, 6)))
    assert share(ROWS, 7 * ROWS @ turn) == 1


def test_equal_rows_are_taken_in_their_order_whatever_rounding_does() -> None:
    rows = np.repeat(RANDOM.normal(size=(2, 6)), 5, axis=0)
    candidates = ~np.eye(10, dtype=bool)
    found = mark_neighbours(stepped_cosines(rows + 1e-13 * RANDOM.normal(size=rows.shape)), candidates, 3)
    assert np.flatnonzero(found[4]).tolist() == [0, 1, 2]
    assert found.sum(axis=1).tolist() == [3] * 10


def test_every_pair_of_layers_in_one_product_and_on_either_library() -> None:
    stacks = [np.stack([marks(rows) for rows in some]).astype(np.float32) for some in ((ROWS, OTHERS), (OTHERS, ROWS))]
    table = shared_neighbours(*stacks, K)
    assert np.diag(table[:, ::-1]).tolist() == [1, 1]
    assert table[0, 0] == pytest.approx(share(ROWS, OTHERS))
    of_torch = mark_neighbours(stepped_cosines(torch.tensor(ROWS)), torch.tensor(APART), K)
    assert of_torch.numpy().tolist() == marks(ROWS).tolist()


def test_alignments_are_those_of_each_pair_and_undefined_where_rows_do_not_differ() -> None:
    kernels = np.stack([unit_kernel(rows) for rows in (ROWS, OTHERS, np.ones((N, 3)))])
    table = alignments(kernels, kernels)
    assert table[0, 1] == pytest.approx(float(alignment(centred_kernel(ROWS), centred_kernel(OTHERS))))
    assert table[0, 0] == pytest.approx(1)
    assert np.isnan(table[2]).all()
    assert np.isnan(table[:, 2]).all()


SCORES = RANDOM.normal(size=(2, 3)) + np.array([[0, 0, 2.5], [0, 0, 0]])
SHUFFLED = RANDOM.normal(size=(30, 2, 3)) * np.array([1, 2, 1])


def test_scores_are_calibrated_cell_by_cell_and_not_by_the_error_of_a_mean() -> None:
    found = calibrate(SCORES, SHUFFLED)
    for cell in np.ndindex(2, 3):
        some = SHUFFLED[:, *cell].tolist()
        assert found[cell] == pytest.approx(slow.calibrated(SCORES[cell], some))
        assert found[cell] != pytest.approx(slow.calibrated(SCORES[cell], some, over="error"), rel=0.1)


def test_a_chance_is_told_by_the_highest_of_all_cells() -> None:
    tables = [{cell: float(one[cell]) for cell in np.ndindex(2, 3)} for one in (SCORES, *SHUFFLED)]
    found = chance_of_each(SCORES, SHUFFLED)
    for cell in np.ndindex(2, 3):
        assert found[cell] == pytest.approx(slow.chance(tables, cell))
    wrong = [slow.chance(tables, cell, beside="itself") for cell in np.ndindex(2, 3)]
    assert (found.ravel() > wrong).any()
    assert (found.ravel() >= wrong).all()


def test_one_table_of_chance_in_twenty_has_a_cell_below_a_twentieth() -> None:
    random = np.random.default_rng(1)
    lowest = [chance_of_each(*_split(random.normal(size=(40, 3, 4)))).min() for _ in range(400)]
    assert np.mean(np.array(lowest) <= 0.05) == pytest.approx(0.05, abs=0.03)


def _split(orders: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return orders[0], orders[1:]


def test_what_no_shuffle_changes_is_undefined() -> None:
    shuffled = np.concatenate([np.ones((20, 1, 1)), RANDOM.normal(size=(20, 1, 1))], axis=2)
    scores = np.array([[1.0, 9.0]])
    assert np.isnan(calibrate(scores, shuffled)).tolist() == [[True, False]]
    chance = chance_of_each(scores, shuffled)
    assert np.isnan(chance[0, 0])
    assert chance[0, 1] == pytest.approx(1 / 21)
