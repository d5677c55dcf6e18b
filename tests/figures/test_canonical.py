from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reportgen.figures.canonical import canonicalize_value
from reportgen.figures.describe import Curve, Ranking
from tests.figures.figure_samples import HOSTILE, one_of_each

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=2), inner, max_size=2)
    ),
    max_leaves=6,
)


@dataclass(frozen=True, kw_only=True)
class Thicker(Curve):
    """A curve of another kind with the same fields."""


def spell_parts(value: object) -> list[bytes]:
    return [part.encode() if isinstance(part, str) else part for part in canonicalize_value(value)]


@given(PLAIN, PLAIN)
def test_only_what_is_the_same_is_spelled_the_same(one: object, other: object) -> None:
    assert (spell_parts(one) == spell_parts(other)) == (repr(one) == repr(other))


def test_everything_that_a_picture_may_tell_apart_differs() -> None:
    curve = Curve(label="a", x=[0, 1], y=[0.5, np.nan])
    numbers = np.arange(6, dtype=np.int32)
    different = [
        1, 1.0, True, None, "1", "", [], (), {}, [[1], 2], [1, [2]], ["ab", "c"], ["a", "bc"], [["a"], "b"],
        {"a": 1, "b": 2}, {"b": 2, "a": 1}, [("a", 1), ("b", 2)], 0.0, -0.0, "\ud800", "\udfff",
        curve, replace(curve, y=[0.5, 1.0]), replace(curve, label="b"), replace(curve, faint=True),
        Thicker(label="a", x=[0, 1], y=[0.5, np.nan]), Ranking(title="a", labels=[], values=[]),
        numbers, numbers.reshape(2, 3), numbers.reshape(3, 2), numbers.astype(np.int64), numbers.view(np.float32),
        numbers.byteswap(), numbers.tolist(), np.float64(0.0), np.array(0.0), np.array(["a"]), np.array([b"a"]),
    ]  # fmt: skip
    for one, other in combinations(different, 2):
        assert spell_parts(one) != spell_parts(other), (one, other)


def test_the_same_numbers_are_spelled_the_same_however_they_lie_in_memory() -> None:
    grid = np.arange(12.0).reshape(3, 4)
    assert spell_parts(grid.T.copy()) == spell_parts(grid.T) == spell_parts(np.asfortranarray(grid.T))
    assert spell_parts([np.nan]) == spell_parts([np.nan])


@pytest.mark.parametrize(
    "value",
    [
        {1, 2}, object(), Path("a"), b"bytes", 1j, iter([1]), Curve, [{"deep": [print]}], np.array([object()]),
        np.ma.masked_array([1.0, 2.0], [True, False]), np.zeros(1, [("a", "f4")]), type("Word", (str,), {})("a"),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_has_no_agreed_spelling_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="has no canonical spelling"):
        spell_parts(value)


def test_every_kind_of_figure_has_a_spelling() -> None:
    told = [tuple(spell_parts(figure)) for text in ("", HOSTILE) for figure in one_of_each(text=text)]
    assert len(set(told)) == len(told) == 20
    assert told == [tuple(spell_parts(figure)) for text in ("", HOSTILE) for figure in one_of_each(text=text)]
