import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reportgen.numerics.cka import alignment, centred_kernel, relative_change
from tests.reference import drift as slow


def cka(one: np.ndarray, other: np.ndarray) -> float:
    return float(alignment(centred_kernel(one), centred_kernel(other)))


def rows(n: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, width))


@given(st.integers(0, 10**6), st.integers(5, 7), st.integers(1, 9), st.floats(-3, 3))
def test_it_is_the_ratio_of_unbiased_hsic_over_all_quadruples(seed: int, n: int, width: int, shift: float) -> None:
    one = rows(n, width, seed) + shift
    other = 0.5 * one + rows(n, width, seed + 1)
    assert cka(one, other) == pytest.approx(slow.debiased_cka(one.tolist(), other.tolist()), abs=1e-7)


def test_unrelated_rows_have_nothing_in_common_where_the_plain_one_says_almost_everything() -> None:
    # 20 positions of 640 dimensions: all products of different rows are small beside the diagonal, which is alike
    pairs = [(rows(20, 640, seed), rows(20, 640, seed + 100)) for seed in range(8)]
    assert min(slow.plain_cka(one.tolist(), other.tolist()) for one, other in pairs[:2]) > 0.95
    found = [cka(one, other) for one, other in pairs]
    assert max(abs(value) for value in found) < 0.25
    assert abs(np.mean(found)) < 0.05
    assert min(found) < 0 < max(found), "as often below 0 as above"


def test_equal_rows_have_exactly_1() -> None:
    for seed in range(20):
        assert np.float32(cka(rows(11, 30, seed), rows(11, 30, seed))) == 1.0


def test_turning_scaling_and_shifting_change_nothing() -> None:
    one = rows(12, 6)
    turn, _ = np.linalg.qr(rows(6, 6, seed=1))
    assert cka(one, 3 * one @ turn + 7) == pytest.approx(1.0, abs=1e-12)
    assert cka(one, one * np.array([1, 1, 1, 1, 1, 9.0])) < 0.9, "stretching one axis does"


def test_positions_in_another_order_are_the_kernel_in_another_order() -> None:
    one, other, order = rows(9, 5), rows(9, 5, seed=1), np.random.default_rng(2).permutation(9)
    kernel = centred_kernel(other)[order][:, order]
    assert float(alignment(centred_kernel(one), kernel)) == pytest.approx(cka(one, other[order]), abs=1e-12)


def test_rows_that_do_not_differ_have_none() -> None:
    same = np.repeat(rows(1, 7) * 1e4, 6, axis=0)
    assert math.isnan(cka(same, rows(6, 7)))
    assert math.isnan(cka(same, same))


def test_torch_and_numpy_give_the_same() -> None:
    one, other = rows(8, 4), rows(8, 5, seed=1)
    found = alignment(centred_kernel(torch.tensor(one)), centred_kernel(torch.tensor(other)))
    assert float(found) == pytest.approx(cka(one, other), abs=1e-12)


def test_relative_change_worked_by_hand() -> None:
    # base (3, 4) has norm 5; other − base is (0, 1), (6, -8), (0, 0): 1/5, 10/5, 0
    base, other = np.array([[3.0, 4.0]] * 3), np.array([[3.0, 5.0], [9.0, -4.0], [3.0, 4.0]])
    assert relative_change(base, other) == pytest.approx([0.2, 2.0, 0.0])
    assert math.isnan(relative_change(np.zeros(2), np.ones(2)))
