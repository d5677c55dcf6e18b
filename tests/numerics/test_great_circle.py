import numpy as np
import pytest

from reportgen.numerics.great_circle import great_circle, wrap_places
from tests.reference.linear_map import great_circle as by_vectors

PARIS, NEW_YORK = (48.8566, 2.3522), (40.7128, -74.0060)


def test_paris_to_new_york() -> None:
    found = float(great_circle(np.array(PARIS), np.array(NEW_YORK)))
    assert found == pytest.approx(5837, abs=0.5)
    # The published code takes longitudes for latitudes: it is further off than any rounding.
    assert abs(by_vectors(PARIS, NEW_YORK, swapped=True) - found) > 1000


def test_it_equals_the_angle_between_vectors_anywhere() -> None:
    chance = np.random.default_rng(0)
    one, other = (chance.uniform([-90, -180], [90, 180], (200, 2)) for _ in range(2))
    expected = [by_vectors(a, b) for a, b in zip(one, other, strict=True)]
    np.testing.assert_allclose(great_circle(one, other), expected, rtol=1e-9, atol=1e-3)


def test_the_same_place_the_antipodes_and_the_date_line() -> None:
    assert great_circle(np.array([10.0, 20.0]), np.array([10.0, 20.0])) == 0
    assert float(great_circle(np.array([0.0, 0.0]), np.array([0.0, 180.0]))) == pytest.approx(np.pi * 6371.0088)
    assert float(great_circle(np.array([0.0, 179.0]), np.array([0.0, -179.0]))) == pytest.approx(222.39, abs=0.01)


def test_what_is_off_the_globe_is_put_onto_it() -> None:
    places = np.array([[95.0, 190.0], [-100.0, -181.0], [12.0, 180.0], [1.0, 725.0]])
    expected = [[90.0, -170.0], [-90.0, 179.0], [12.0, -180.0], [1.0, 5.0]]
    np.testing.assert_allclose(wrap_places(places), expected)
    assert float(great_circle(places[0], np.array([90.0, 0.0]))) == pytest.approx(0, abs=1e-6)
