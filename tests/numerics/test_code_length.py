"""Bits per byte and what goes with it, on numbers that can be followed."""

import math

import numpy as np
import pytest

from reportgen.numerics.code_length import bits_of, bits_per_byte, perplexity, probabilities_of, spread_over_bytes

BITS = np.array([np.nan, 1.0, 3.0, 2.0])
SIZES = np.array([3, 1, 4, 1])


def test_what_was_not_predicted_is_in_neither_sum() -> None:
    assert bits_per_byte(BITS, SIZES) == 6 / 6
    assert math.isnan(bits_per_byte(BITS[:1], SIZES[:1]))
    assert perplexity(6.0, 3) == pytest.approx(4.0)
    assert probabilities_of(BITS[1:]).tolist() == [0.5, 0.125, 0.25]


def test_a_choice_among_256_takes_eight_bits() -> None:
    assert bits_of(np.array([math.log(256)])) == pytest.approx([8.0])


def test_bits_spread_over_bytes_sum_to_those_of_the_tokens() -> None:
    spread = spread_over_bytes(BITS, SIZES)
    assert len(spread) == SIZES.sum()
    assert np.isnan(spread[:3]).all()
    assert spread[3:].tolist() == [1.0, 0.75, 0.75, 0.75, 0.75, 2.0]


def test_what_writes_nothing_adds_to_the_next() -> None:
    assert spread_over_bytes(np.array([4.0, 2.0]), np.array([0, 3])).tolist() == [2.0, 2.0, 2.0]
