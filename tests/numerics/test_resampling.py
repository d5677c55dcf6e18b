"""Intervals of means and paired differences, against loops and by simulation."""

import itertools
import math
import random

import numpy as np
import pytest

from reportgen.numerics import resampling
from reportgen.numerics.resampling import FEWEST, band_95, difference_of_pairs, mean_interval_95, ratio_interval_95

DRAWS = 1_000


def percentile_interval(values: list[float], seed: int) -> tuple[float, float]:
    """The same by a loop, with other random numbers."""
    chosen = random.Random(seed)
    means = sorted(math.fsum(chosen.choices(values, k=len(values))) / len(values) for _ in range(20_000))
    return means[499], means[19_499]


def test_the_interval_of_many_is_that_of_the_percentiles() -> None:
    values = np.random.default_rng(3).exponential(size=40)
    low, high = mean_interval_95(values)
    assert (low, high) == pytest.approx(percentile_interval(values.tolist(), 5), abs=0.03)


def test_the_interval_of_few_leans_to_where_the_values_do_and_of_fewer_there_is_none() -> None:
    values = np.array([0.0, 0.1, 0.1, 0.2, 0.2, 0.3, 0.4, 2.0])
    (low, high), mean = mean_interval_95(values), values.mean()
    assert high - mean > mean - low > 0
    plain = percentile_interval(values.tolist(), 1)
    assert low > plain[0]  # the percentiles alone are too far to the left
    assert high > plain[1]
    assert np.isnan(mean_interval_95(values[: FEWEST - 1])).all()


def test_the_interval_of_a_ratio_is_that_of_pairs_drawn_together() -> None:
    chance = np.random.default_rng(4)
    bottoms = chance.integers(50, 900, size=30).astype(float)
    tops = bottoms * chance.uniform(0.8, 1.4, size=30)
    low, high = ratio_interval_95(tops, bottoms)
    chosen, drawn = random.Random(6), list(zip(tops, bottoms, strict=True))
    ratios = []
    for _ in range(20_000):
        some = chosen.choices(drawn, k=len(drawn))
        ratios.append(math.fsum(top for top, _ in some) / math.fsum(bottom for _, bottom in some))
    ratios.sort()
    assert (low, high) == pytest.approx((ratios[499], ratios[19_499]), abs=0.01)
    alone = mean_interval_95(tops)  # bits alone: a long window is taken for a hard one
    assert (high - low) < 0.5 * (alone[1] - alone[0]) / bottoms.mean()
    assert ratio_interval_95(2 * bottoms, bottoms).tolist() == [2.0, 2.0]
    assert np.isnan(ratio_interval_95(tops[: FEWEST - 1], bottoms[: FEWEST - 1])).all()
    few = ratio_interval_95(tops[:7], bottoms[:7])
    assert few[0] < tops[:7].sum() / bottoms[:7].sum() < few[1]


def test_what_is_the_same_for_all_prompts_has_an_interval_of_no_width() -> None:
    found = mean_interval_95(np.stack([np.full(7, 0.5), np.arange(7.0)], axis=1))
    assert found[:, 0].tolist() == [0.5, 0.5]
    assert found[0, 1] < 3 < found[1, 1]
    assert np.array_equal(found, mean_interval_95(np.stack([np.full(7, 0.5), np.arange(7.0)], axis=1)))


@pytest.mark.parametrize(
    ("count", "normal", "skewed"), [(5, 0.84, 0.81), (10, 0.90, 0.88), (20, 0.93, 0.92), (50, 0.944, 0.935)]
)
def test_an_interval_holds_the_mean_as_often_as_the_docs_say(count: int, normal: float, skewed: float) -> None:
    random_numbers = np.random.default_rng(1)
    for values, told in (
        (random_numbers.normal(size=(count, DRAWS)), normal),
        (random_numbers.exponential(size=(count, DRAWS)) - 1, skewed),
    ):
        low, high = mean_interval_95(values)
        held = float(((low <= 0) & (high >= 0)).mean())
        assert held == pytest.approx(told, abs=0.03)
        if count == 50:
            assert 0.93 <= held <= 0.97


def test_all_signs_of_a_few_differences_are_tried() -> None:
    one, other = np.array([1, 1, 1, 0, 1, 1, 0.0]), np.array([0, 1, 0, 0, 0, 1, 1.0])
    apart = one - other
    flipped = [abs(np.dot(signs, apart)) for signs in itertools.product((1, -1), repeat=7)]
    found = difference_of_pairs(one, other)
    assert found.p == pytest.approx(sum(size >= abs(apart.sum()) - 1e-12 for size in flipped) / 2**7)
    assert found.mean == pytest.approx(2 / 7)
    assert found.effect == pytest.approx(apart.mean() / apart.std(ddof=1))
    unpaired = one.mean() - other.mean(), (one.var(ddof=1) + other.var(ddof=1)) ** 0.5
    assert found.effect != pytest.approx(unpaired[0] / unpaired[1])  # as if they were other prompts: a wrong formula


def test_a_p_value_of_no_difference_is_below_a_twentieth_in_a_twentieth_of_the_cases() -> None:
    random_numbers = np.random.default_rng(2)
    small = [difference_of_pairs(random_numbers.normal(size=9), np.zeros(9)).p < 0.05 for _ in range(300)]
    assert 0.02 < np.mean(small) < 0.08


def test_equal_series_are_no_evidence_of_anything() -> None:
    found = difference_of_pairs(np.ones(6), np.ones(6))
    assert (found.p, found.mean, found.low, found.high) == (1.0, 0.0, 0.0, 0.0)
    assert math.isnan(found.effect)


def test_either_sign_of_one_difference_is_as_far_from_0() -> None:
    found = difference_of_pairs(np.array([0.5]), np.array([0.2]))
    assert (found.count, found.mean, found.p) == (1, pytest.approx(0.3), 1.0)
    assert np.isnan([found.low, found.high, found.effect]).all()


def test_a_curve_of_few_or_of_gaps_has_no_band() -> None:
    values = np.random.default_rng(2).normal(size=(6, 4))
    low, high = band_95(values) or ([], [])
    assert np.array_equal([low, high], mean_interval_95(values))
    assert band_95(values[: FEWEST - 1]) is None
    assert band_95(np.where(np.arange(4) == 2, np.nan, values)) is None


def test_batches_of_any_size_draw_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(1).normal(size=101)
    whole = resampling.mean_interval_95(values), resampling.ratio_interval_95(values + 5, values**2)
    monkeypatch.setattr(resampling, "HELD", 7 * len(values))
    parted = resampling.mean_interval_95(values), resampling.ratio_interval_95(values + 5, values**2)
    assert [one.tolist() for one in parted] == [one.tolist() for one in whole]
