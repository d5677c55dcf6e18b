from itertools import combinations, pairwise

import numpy as np
import pytest

from reportgen.baseline import steps as detector
from reportgen.baseline.steps import Plateau, Step, find_plateaus, list_steps

NAN = float("nan")


def find_steps(values, tolerated=lambda level: 0.0):
    return list_steps(find_plateaus(values, tolerated))


def normal(length, seed=0):
    return np.random.default_rng(seed).normal(size=length)


def ramp(length, begins, ends, height):
    """0 up to one night, `height` from another on, straight between them."""
    return np.interp(np.arange(length), [begins, ends], [0.0, height])


NOISES = {
    "normal": lambda random, n: random.normal(size=n),
    "laplace": lambda random, n: random.laplace(size=n),
    "heavy tails (t, 3 degrees)": lambda random, n: random.standard_t(3, size=n),
    "no variance (t, 2 degrees)": lambda random, n: random.standard_t(2, size=n),
    "uniform": lambda random, n: random.random(n),
    "far from zero": lambda random, n: 1e6 + random.normal(size=n),
    "rounded": lambda random, n: np.round(random.normal(size=n), 1),
    "downwards": lambda random, n: -random.exponential(size=n),
}


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize(("length", "seeds"), [(5, 60), (8, 60), (15, 60), (30, 60), (100, 30), (365, 6), (1000, 2)])
def test_nothing_is_found_in_noise(noise, length, seeds):
    told = {seed: find_steps(NOISES[noise](np.random.default_rng(seed), length)) for seed in range(seeds)}
    assert {seed: changes for seed, changes in told.items() if changes} == {}


@pytest.mark.parametrize("share", [0.3, 0.5])
@pytest.mark.parametrize("length", [100, 365, 1000])
def test_nothing_is_found_where_two_runners_take_turns_by_chance(share, length):
    for seed in range(10):
        assert find_steps((np.random.default_rng(seed).random(length) < share).astype(float)) == []


def test_the_penalty_is_what_keeps_noise_quiet(monkeypatch):
    monkeypatch.setattr(detector, "STRICTNESS", 0.3)
    monkeypatch.setattr(detector, "EVIDENCE", -100.0)
    assert find_steps(normal(100)) != []


@pytest.mark.parametrize("value", [0.0, 3.0, -1e300, 5e-324])
@pytest.mark.parametrize("length", [1, 4, 5, 1000])
def test_a_constant_is_one_plateau(value, length):
    assert find_plateaus([value] * length) == [Plateau(0, length - 1, value)]


def test_a_step_is_found_on_its_night():
    assert find_steps([1.2] * 40 + [1.5] * 20) == [Step(40, 40, 1.2, 1.5)]
    assert find_steps([28] * 10 + [29] * 3) == [Step(10, 10, 28, 29)]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("height", [5.0, -8.0])
def test_a_step_is_found_in_noise(height, seed):
    (step,) = find_steps(normal(60, seed) + height * (np.arange(60) >= 37))
    assert not step.ramp
    assert abs(step.first - 37) <= 1
    assert step.after - step.before == pytest.approx(height, abs=1.0)


@pytest.mark.parametrize("seed", range(5))
def test_a_step_is_found_in_heavy_tails_beside_outliers(seed):
    noise = np.random.default_rng(seed).standard_t(3, size=60)
    (step,) = find_steps(noise + 8 * (np.arange(60) >= 30) + 60 * np.isin(np.arange(60), [10, 45]))
    assert abs(step.first - 30) <= 1


def test_a_new_level_counts_from_its_second_night_on_at_the_end_and_its_third_within():
    assert find_steps([1.2] * 40 + [1.5]) == []
    assert find_steps([1.2] * 40 + [1.5] * 2) == [Step(40, 40, 1.2, 1.5)]
    assert find_steps([1] * 20 + [2] * 2 + [1] * 20) == []
    assert find_steps([1] * 20 + [2] * 3 + [1] * 20) == [Step(20, 20, 1, 2), Step(23, 23, 2, 1)]


@pytest.mark.parametrize("at", [0, 1, 20, 39, 40])
@pytest.mark.parametrize("scatter", [0.0, 1.0])
@pytest.mark.parametrize("size", [10.0, -1e6])
def test_an_outlier_is_no_step(at, scatter, size):
    values = scatter * normal(41)
    values[at] += size
    assert find_steps(values) == []


def test_an_outlier_does_not_hide_a_step():
    assert find_steps([1] * 20 + [9] + [1] * 20 + [2] * 10) == [Step(41, 41, 1, 2)]


def test_several_steps_are_found_in_both_directions():
    assert find_steps([1] * 30 + [2] * 30 + [3] * 30) == [Step(30, 30, 1, 2), Step(60, 60, 2, 3)]
    assert find_steps([1] * 10 + [3] * 10 + [0] * 10) == [Step(10, 10, 1, 3), Step(20, 20, 3, 0)]
    staircase = np.repeat(np.arange(10.0), 10)
    assert find_steps(staircase) == [Step(10 * i, 10 * i, i - 1, i) for i in range(1, 10)]


def test_a_slow_ramp_is_told_once_with_its_first_and_last_night():
    (step,) = find_steps(ramp(60, 20, 40, 1.0))
    assert (step.first, step.last, step.ramp) == (21, 40, True)
    assert (step.before, step.after) == (0.0, 1.0)


@pytest.mark.parametrize("seed", range(5))
def test_a_slow_ramp_is_found_in_noise(seed):
    (step,) = find_steps(normal(100, seed) + ramp(100, 30, 70, 10.0))
    assert step.ramp
    assert abs(step.first - 30) <= 8
    assert abs(step.last - 70) <= 8
    assert (step.before, step.after) == (pytest.approx(0, abs=0.6), pytest.approx(10, abs=0.6))


@pytest.mark.parametrize("seed", range(5))
def test_a_ramp_over_all_nights_is_one_ramp(seed):
    (step,) = find_steps(normal(365, seed) + ramp(365, 0, 364, 10.0))
    assert step.first <= 40
    assert step.last >= 324


def test_a_ramp_does_not_swallow_the_step_after_it():
    told = find_steps([*ramp(60, 20, 40, 1.0), *[3.0] * 20])
    assert [(step.first, step.last) for step in told] == [(21, 40), (60, 60)]
    assert told[1].after == 3.0


def test_a_ramp_up_and_a_ramp_down_are_two():
    told = find_steps([*ramp(60, 20, 40, 1.0), *(1 - ramp(60, 20, 40, 1.0))])
    assert [(step.first, step.last) for step in told] == [(21, 40), (81, 100)]


def test_nights_without_a_value_are_passed_over():
    values = [1, NAN, 1, 1, NAN, NAN, 1, 2, NAN, 2, 2, NAN]
    assert find_steps(values) == [Step(7, 7, 1, 2)]


def test_a_step_after_a_gap_is_on_the_first_night_that_was_measured():
    course = find_plateaus([NAN, 1, 1, 1, NAN, NAN, 2, 2, 2, NAN])
    assert course == [Plateau(1, 5, 1), Plateau(6, 8, 2)]
    assert list_steps(course) == [Step(6, 6, 1, 2)]


@pytest.mark.parametrize("nights", [0, 1, 2, 3, 4])
def test_fewer_than_five_nights_say_nothing(nights):
    values = [1.0, 1.0, 9.0, 9.0][:nights]
    course = find_plateaus([NAN, *values])
    assert [(one.first, one.last) for one in course] == ([(1, nights)] if nights else [])
    assert list_steps(course) == []


def test_five_nights_are_enough_where_nothing_else_moves():
    assert find_steps([1, 1, 1, 2, 2]) == [Step(3, 3, 1, 2)]


def test_infinite_values_count_as_missing():
    assert find_plateaus([1, float("inf"), 1, -float("inf")]) == [Plateau(0, 2, 1)]


def test_what_is_tolerated_is_no_step_but_many_small_ones_add_up():
    def within(level):
        return 1e-3 * abs(level)

    assert find_steps([1.0] * 10 + [1.0006] * 10, within) == []
    assert find_steps([1.0] * 10 + [1.0006] * 10 + [1.0012] * 10, within) == [Step(20, 20, 1.0, 1.0012)]
    assert find_steps([1.0] * 10 + [1.1] * 10, within) == [Step(10, 10, 1.0, 1.1)]
    assert find_steps([1.0] * 10 + [1.0005, 1.0] * 10, within) == []


@pytest.mark.parametrize("size", [1e-300, 1e-9, 1.0, 1e300])
def test_the_size_of_the_numbers_changes_nothing(size):
    assert find_steps([size] * 10 + [-size] * 10) == [Step(10, 10, size, -size)]


def test_the_cut_is_the_cheapest_of_all():
    """Against every cut of a short series, with every value as a level."""
    values = np.array([0.1, -0.2, 0.0, 5.0, 0.1, 3.1, 2.9, 3.0, 3.3, 2.7])
    fit = detector._Fit(values)

    def cost(cuts):
        ends = [0, *cuts, values.size]
        pieces = [values[a:b] for a, b in pairwise(ends)]
        return sum(min(fit.cost(piece - level).sum() for level in values) for piece in pieces) + fit.penalty * len(cuts)

    cuts = [c for count in range(values.size) for c in combinations(range(1, values.size), count)]
    cheapest = min(cuts, key=cost)
    chosen = tuple(one.first for one in fit.plateaus[1:])
    assert cost(chosen) == pytest.approx(cost(cheapest))
    assert chosen == cheapest
