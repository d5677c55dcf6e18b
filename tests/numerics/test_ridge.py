"""Ridge regressions equal scikit-learn's RidgeCV, and what is left out exactly equals a fit without it."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import Ridge, RidgeCV

from reportgen.numerics.ridge import SHARES, RidgeFit, decompose_rows, fit_ridge
from tests.reference.linear_map import predict_without, ridge

TALL, WIDE = (60, 12), (25, 40)


def make(shape: tuple[int, int], columns: int = 3) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rows of unlike scales, and targets: two that depend on them and noise."""
    chance = np.random.default_rng(shape[0])
    rows = chance.normal(size=shape) * chance.uniform(0.2, 3, shape[1]) + chance.normal(size=shape[1])
    targets = rows @ chance.normal(size=(shape[1], columns)) + 2 * chance.normal(size=(shape[0], columns)) + 5
    targets[:, -1] = chance.normal(size=shape[0])
    return rows, targets


def fit(rows: NDArray[np.float64], targets: NDArray[np.float64]) -> RidgeFit:
    return fit_ridge(decompose_rows(rows), targets)


@pytest.mark.parametrize("shape", [TALL, WIDE], ids=["tall", "wide"])
def test_it_equals_scikit_learns(shape: tuple[int, int]) -> None:
    rows, targets = make(shape)
    new = make((shape[0] + 1, shape[1]))[0]
    found = fit(rows, targets)
    theirs: Any = RidgeCV(alphas=np.array(SHARES) * found.ridge.mean_square, alpha_per_target=True).fit(rows, targets)
    np.testing.assert_allclose(found.penalties, theirs.alpha_)
    np.testing.assert_allclose(found.predict(found.ridge.place(new)), theirs.predict(new), rtol=1e-6, atol=1e-7)
    assert len(set(found.penalties)) > 1, "a penalty a column"
    np.testing.assert_allclose(-found.left_out_error / len(rows), theirs.best_score_, rtol=1e-6)


@pytest.mark.parametrize("shape", [TALL, WIDE], ids=["tall", "wide"])
def test_leave_one_out_is_a_fit_without_each_row(shape: tuple[int, int]) -> None:
    rows, targets = make(shape)
    found = fit(rows, targets)
    for column, penalty in enumerate(found.penalties):
        left_out = [
            targets[row, column] - predict_without(rows, targets[:, column], penalty, [row], rows[row])
            for row in range(len(rows))
        ]
        assert found.left_out_error[column] == pytest.approx(np.square(left_out).sum(), rel=1e-6)
        weights, offset = ridge(rows, targets[:, column], penalty)
        within = np.square(targets[:, column] - rows @ weights - offset).sum()
        assert found.left_out_error[column] > 1.02 * within, "the error of the fit itself is another number"


@pytest.mark.parametrize("shape", [TALL, WIDE], ids=["tall", "wide"])
def test_a_left_out_group_is_a_fit_without_its_rows(shape: tuple[int, int]) -> None:
    rows, targets = make(shape)
    asked, _ = make((7, shape[1]))
    groups = [f"g{row % 4}" if row % 5 else "rare" for row in range(len(rows))]
    own = ["g0", "g1", "g1", "nowhere", "rare", "g3", "g0"]
    found = fit(rows, targets)
    predicted = found.predict_without_groups(found.ridge.place(asked), own, groups)
    for row, group in enumerate(own):
        left = [at for at, one in enumerate(groups) if one == group]
        for column, penalty in enumerate(found.penalties):
            expected = predict_without(rows, targets[:, column], penalty, left, asked[row])
            assert predicted[row, column] == pytest.approx(expected, rel=1e-6, abs=1e-7)
    whole = found.predict(found.ridge.place(asked))
    np.testing.assert_allclose(predicted[3], whole[3])
    assert np.abs(predicted[0] - whole[0]).max() > 1e-3


def test_a_dimension_that_is_always_the_same_has_no_part() -> None:
    rows, targets = make(TALL)
    rows[:, 4] = 0.0
    found = fit(rows, targets)
    assert found.weights.shape[0] == TALL[1] - 1
    theirs: Any = Ridge(alpha=found.penalties).fit(rows, targets)
    np.testing.assert_allclose(found.predict(found.ridge.place(rows)), theirs.predict(rows), rtol=1e-6)


def test_rows_that_are_all_the_same_say_nothing() -> None:
    _, targets = make(TALL)
    found = fit(np.ones(TALL), targets)
    np.testing.assert_allclose(found.predict(found.ridge.place(np.ones((1, TALL[1]))))[0], targets.mean(axis=0))
    without = found.predict_without_groups(found.ridge.place(np.ones((1, TALL[1]))), ["a"], ["a"] * 20 + ["b"] * 40)
    np.testing.assert_allclose(without[0], targets[20:].mean(axis=0))
