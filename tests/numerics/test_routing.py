"""Load, margins, noise and chance of routed experts, by hand and by simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from reportgen.numerics.routing import (
    chance_of_busiest,
    expect_unused,
    find_flips,
    load_of,
    margin_of,
    noise_of,
    spread_of,
)


def test_load_is_the_share_of_slots_and_its_spread_goes_from_0_to_1() -> None:
    chosen = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 0, 0]], bool)
    assert load_of(chosen).tolist() == pytest.approx([3 / 6, 2 / 6, 1 / 6, 0])
    assert spread_of(np.full(8, 1 / 8)) == pytest.approx(1.0)
    assert spread_of(np.eye(8)[0]) == 0
    assert spread_of(np.array([0.5, 0.5, 0, 0])) == pytest.approx(math.log2(2) / math.log2(4))


def test_a_margin_is_between_the_last_chosen_and_the_first_left_out() -> None:
    scores = np.array([[5.0, 1.0, 4.0, 3.5], [0.0, -np.inf, 2.0, -np.inf], [1.0, 1.0, 0.0, 0.0]])
    chosen = np.array([[1, 0, 1, 0], [1, 0, 1, 0], [1, 0, 0, 0]], bool)
    margins = margin_of(scores, chosen)
    assert margins[0] == 0.5
    assert np.isnan(margins[1]), "no other expert could have been chosen"
    assert margins[2] == 0, "a tie"
    assert margin_of(scores[[0]][:, ::-1], chosen[[0]])[0] == -4.0, "of scores that choose otherwise"


def test_noise_is_the_largest_move_or_the_largest_margin_overcome() -> None:
    margins = np.array([[1.0, 0.2], [3.0, 0.1], [np.nan, 0.4]])
    rounded = np.array([[1.3, -np.inf], [2.9, 0.1], [np.nan, 0.4]])
    flipped = np.array([[False, True], [False, False], [False, False]])
    assert noise_of(margins, rounded, flipped, np.zeros(2)).tolist() == pytest.approx([0.3, 0.2])
    assert noise_of(margins, margins, np.zeros((3, 2), bool), np.array([1e-7, 1e-6])).tolist() == [1e-7, 1e-6]


def test_a_flip_is_another_set() -> None:
    one, other = np.array([[1, 1, 0], [1, 0, 1]], bool), np.array([[1, 1, 0], [0, 1, 1]], bool)
    assert find_flips(one, other).tolist() == [False, True]


def test_chance_is_the_tail_of_a_binomial_distribution_times_the_experts() -> None:
    for count in (20, 30, 45):
        by_scipy = 16 * stats.binom.sf(count - 1, 60, 4 / 16)
        assert chance_of_busiest(count, 60, 4, 16) == pytest.approx(min(1.0, by_scipy), rel=1e-9)
    assert chance_of_busiest(0, 60, 4, 16) == 1
    assert chance_of_busiest(60, 60, 4, 4) == 1


def test_how_many_experts_random_tokens_leave_unused() -> None:
    generator = np.random.default_rng(0)
    left = [
        16 - len({expert for _ in range(12) for expert in generator.choice(16, 3, replace=False)}) for _ in range(2000)
    ]
    assert expect_unused(12, 3, 16) == pytest.approx(np.mean(left), abs=0.08)
