"""Intervals of a share, against scipy and against their definition."""

import math

import pytest
from scipy.stats import binomtest

from reportgen.numerics.confidence import NORMAL_95, wilson_95

CASES = [(hits, count) for count in (1, 2, 8, 20, 97) for hits in {0, 1, count // 2, count - 1, count}]


@pytest.mark.parametrize(("hits", "count"), CASES)
def test_a_share_has_wilsons_interval(hits: int, count: int) -> None:
    expected = binomtest(hits, count).proportion_ci(0.95, method="wilson")
    assert wilson_95(hits, count) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(("hits", "count"), CASES)
def test_at_its_ends_the_share_is_as_many_standard_errors_away(hits: int, count: int) -> None:
    for end in wilson_95(hits, count):
        if 0 < end < 1:
            away = abs(hits / count - end) / math.sqrt(end * (1 - end) / count)
            assert away == pytest.approx(NORMAL_95)


def test_it_is_neither_the_normal_interval_nor_the_one_with_a_correction() -> None:
    lower, upper = wilson_95(18, 20)
    normal = NORMAL_95 * math.sqrt(0.9 * 0.1 / 20)
    assert (lower, upper) != pytest.approx((0.9 - normal, 0.9 + normal), abs=0.01)
    corrected = binomtest(18, 20).proportion_ci(0.95, method="wilsoncc")
    assert (lower, upper) != pytest.approx((corrected.low, corrected.high), abs=0.01)
    assert all(math.isnan(end) for end in wilson_95(0, 0))
