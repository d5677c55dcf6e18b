"""Numbers, names and labels take the room that there is, and no more."""

from itertools import combinations, pairwise

import numpy as np
import pytest

from reportgen.figures.draw.point_labels import place_labels
from reportgen.figures.draw.scales import choose_fitting_ticks, choose_ticks, write_ticks


def width(text: str) -> float:
    return 5.0 * len(text)


@pytest.mark.parametrize("room", [400, 120, 60, 25])
def test_ticks_are_as_many_as_their_numbers_leave_apart(room: float) -> None:
    ticks = choose_fitting_ticks(-1, 1, room, width, 8)
    texts = write_ticks(ticks)
    for (here, one), (there, other) in pairwise(zip(ticks, texts, strict=True)):
        assert (there - here) / 2 * room >= (width(one) + width(other)) / 2
    assert ticks
    if room == 400:
        assert ticks == choose_ticks(-1, 1, 8), "there is room for all"


def test_layers_have_no_halves() -> None:
    assert choose_fitting_ticks(0, 3, 400, width, 8, whole=True) == [0, 1, 2, 3]
    assert 0.5 in choose_fitting_ticks(0, 3, 400, width, 8)


def overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


@pytest.mark.parametrize("led", [True, False])
def test_labels_of_crowded_points_lie_over_nothing(led: bool) -> None:
    box = (0.0, 0.0, 200.0, 150.0)
    points = np.random.default_rng(0).normal((100, 75), 12, (30, 2))
    sizes = [(30.0, 8.5)] * 30
    spots = place_labels(points, sizes, box, led=led)
    placed = [(spot.left, spot.middle - 4.25, spot.left + 30, spot.middle + 4.25) for spot in spots if spot]
    assert not [pair for pair in combinations(placed, 2) if overlap(*pair)]
    assert not [one for one in placed for x, y in points if overlap(one, (x - 1, y - 1, x + 1, y + 1))]
    assert all(box[0] <= a and box[1] <= b and c <= box[2] and d <= box[3] for a, b, c, d in placed)
    leaders = [spot.leader for spot in spots if spot and spot.leader]
    assert bool(leaders) == led
    for start, _ in leaders:
        assert start in {tuple(point) for point in points.tolist()}


def test_labels_lie_over_no_point_without_a_label_either() -> None:
    points = np.random.default_rng(1).uniform((0, 0), (200, 150), (120, 2))
    spots = place_labels(points[:6], [(30.0, 8.5)] * 6, (0.0, 0.0, 200.0, 150.0), led=True, others=points[6:])
    placed = [(spot.left, spot.middle - 4.25, spot.left + 30, spot.middle + 4.25) for spot in spots if spot]
    assert placed
    assert not [one for one in placed for x, y in points if overlap(one, (x - 1, y - 1, x + 1, y + 1))]


def test_lines_lead_to_more_labels_than_stand_next_to_their_points() -> None:
    points = np.random.default_rng(0).normal((100, 75), 12, (20, 2))
    near, led = (place_labels(points, [(30.0, 8.5)] * 20, (0, 0, 200, 150), led=led) for led in (False, True))
    assert sum(spot is not None for spot in led) > sum(spot is not None for spot in near)
