import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reportgen.numerics.similarity import cosine, divide_mean, mean_cosine

FINITE = st.floats(-10, 10).filter(lambda x: abs(x) > 1e-3)


def test_cosine_of_vectors_worked_by_hand() -> None:
    # (3, 4)·(4, 3) = 24; both have norm 5; 24 / 25 = 0.96
    assert cosine(np.array([3.0, 4.0]), np.array([4.0, 3.0])) == pytest.approx(0.96)


def test_mean_cosine_is_the_mean_over_all_pairs() -> None:
    # unit rows of a: (1,0), (0,1); of b: (1,0), (0.6,0.8); pair cosines 1, 0.6, 0, 0.8; mean 0.6
    a, b = np.array([[[2.0, 0.0], [0.0, 1.0]]]), np.array([[[1.0, 0.0], [3.0, 4.0]]])
    assert mean_cosine(a, b) == pytest.approx([0.6])


def test_divide_mean_is_undefined_where_the_mean_is_near_zero() -> None:
    found = divide_mean(np.array([0.5, 0.5]), np.array([0.25, 1e-5]))
    assert found[0] == pytest.approx(2.0)
    assert np.isnan(found[1])


@given(arrays(np.float64, (2, 3, 4), elements=FINITE))
def test_torch_and_numpy_give_the_same(rows: np.ndarray) -> None:
    found = mean_cosine(torch.tensor(rows), torch.tensor(rows[:, :2]))
    assert found.numpy() == pytest.approx(mean_cosine(rows, rows[:, :2]))
