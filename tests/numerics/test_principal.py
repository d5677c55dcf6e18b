import numpy as np
import pytest

from reportgen.numerics.principal import principal_points

ROWS = np.random.default_rng(3).normal(size=(12, 7)) @ np.diag([5, 3, 1, 1, 0.5, 0.2, 0.1])


def test_against_the_singular_value_decomposition() -> None:
    points, explained = principal_points(ROWS, 2)
    centred = ROWS - ROWS.mean(0)
    _, s, vt = np.linalg.svd(centred, full_matrices=False)
    for component in range(2):
        axis = vt[component] * np.sign(vt[component][np.abs(vt[component]).argmax()])
        assert points[:, component] == pytest.approx(centred @ axis)
    assert explained == pytest.approx((s**2 / (s**2).sum())[:2])


def test_the_sign_does_not_depend_on_the_order_of_rows() -> None:
    points, _ = principal_points(ROWS, 2)
    turned, _ = principal_points(ROWS[::-1], 2)
    assert turned[::-1] == pytest.approx(points)


def test_uncentred_rows_would_give_another_map() -> None:
    points, explained = principal_points(ROWS + 100, 2)
    assert points == pytest.approx(principal_points(ROWS, 2)[0], abs=1e-6)
    _, s, _ = np.linalg.svd(ROWS + 100, full_matrices=False)
    assert explained != pytest.approx((s**2 / (s**2).sum())[:2], rel=0.1)


def test_components_that_the_rows_do_not_have_are_nan() -> None:
    points, explained = principal_points(ROWS[:2], 2)
    assert np.isfinite(points[:, 0]).all()
    assert np.isnan(points[:, 1]).all()
    assert np.isnan(explained[1])
    same, none = principal_points(np.ones((4, 3)), 2)
    assert np.isnan(same).all()
    assert np.isnan(none).all()
