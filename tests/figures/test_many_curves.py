from dataclasses import replace

import numpy as np
import pytest

from reportgen.figures.describe import Curve, Curves, TokenGrid
from reportgen.figures.many_curves import MOST, grid_many_curves


def make_curves(count: int) -> Curves:
    """A curve a model over three layers: model 0 lies at 0, 1, 2, model 1 at 10, 11, 12, …"""
    return Curves(
        name="kept",
        subject=tuple(f"m{at}" for at in range(count)),
        title="How much is old",
        alt="it rises",
        x_label="layer",
        y_label="share",
        curves=[
            Curve(label=f"Model {at}", x=[0.0, 1.0, 2.0], y=[10.0 * at + layer for layer in range(3)], model=f"m{at}")
            for at in range(count)
        ],
        references={"nothing added": 1.0},
    )


def test_curves_that_can_be_told_apart_stay_curves() -> None:
    few = make_curves(MOST)
    assert grid_many_curves(few) is few


def test_more_become_a_row_a_model() -> None:
    grid = grid_many_curves(make_curves(MOST + 1))
    assert isinstance(grid, TokenGrid)
    assert (grid.name, grid.subject[-1], grid.title, grid.alt) == ("kept", f"m{MOST}", "How much is old", "it rises")
    assert list(grid.rows) == [f"Model {at}" for at in range(MOST + 1)]
    assert list(grid.columns) == ["0", "1", "2"]
    assert grid.column_label == "layer"
    largest = 10 * MOST + 2
    for row in range(MOST + 1):
        for layer in range(3):
            assert grid.values[row, layer] == pytest.approx((10 * row + layer) / largest)
    assert [grid.texts[0][2], grid.texts[3][1]] == ["2", "31"]
    assert grid.value_label == f"share, from the least (0) to the largest ({largest}); nothing added: 1"


def test_a_value_that_is_missing_is_an_empty_cell() -> None:
    many = make_curves(MOST + 1)
    gap = replace(many.curves[0], y=[0.0, float("nan"), 2.0])
    grid = grid_many_curves(replace(many, curves=[gap, *many.curves[1:]]))
    assert isinstance(grid, TokenGrid)
    assert np.isnan(grid.values[0, 1])
    assert grid.texts[0][1] == ""


@pytest.mark.parametrize(
    "other",
    [
        {"x": [0.0, 0.5, 1.0]},
        {"model": None},
        {"model": "m1"},
        {"faint": True},
    ],
    ids=["of another depth", "of no model", "a second one of a model", "faint"],
)
def test_curves_that_are_no_table_stay_curves(other: dict[str, object]) -> None:
    many = make_curves(MOST + 1)
    odd = replace(many, curves=[replace(many.curves[0], **other), *many.curves[1:]])  # type: ignore[arg-type]
    assert grid_many_curves(odd) is odd
