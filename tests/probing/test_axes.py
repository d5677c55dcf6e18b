"""One axis for all models where that hides nothing; else one each, or one that ends before the first layers."""

import numpy as np
import pytest

from reportgen.probing.axes import LEAST, Axis, fit_axes, fit_scales


def curves(*rows: list[float]) -> np.ndarray:
    return np.array(rows, dtype=np.float32)


def layers(*values: np.ndarray) -> list[range]:
    return [range(one.shape[1]) for one in values]


def test_models_whose_curves_are_of_one_size_share_an_axis() -> None:
    one, other = curves([0.2, 0.9]), curves([0.4, 0.8], [0.3, float("nan")])
    axes = fit_axes([one, other], layers(one, other))
    assert axes[0] == axes[1]
    assert axes[0].ends == pytest.approx((0.165, 0.935))
    assert axes[0].name("cosine") == "cosine"


def test_a_model_whose_curves_would_be_flat_has_an_axis_of_its_own_and_so_has_the_other() -> None:
    wide, narrow = curves([1.0, 3.5]), curves([1.0, 1.1])
    axes = fit_axes([wide, narrow], layers(wide, narrow))
    assert [axis.name("ratio") for axis in axes] == ["ratio (its own axis)"] * 2
    for axis, values in zip(axes, (wide, narrow), strict=True):
        low, high = axis.ends
        assert np.ptp(values) >= LEAST * (high - low)


def test_an_axis_ends_before_the_first_layers_where_they_would_flatten_the_rest() -> None:
    values = curves([412.0, 40.0, 3.0, 2.5, 2.0, 0.0])
    (cut,) = fit_axes([values], layers(values), cut=True, from_zero=True)
    assert cut.ends == pytest.approx((0.0, 3.15))
    assert cut.name("KL") == "KL (cut: layer 0 reaches 412)"
    (whole,) = fit_axes([values], layers(values), from_zero=True)
    assert whole.ends == pytest.approx((0.0, 432.6))
    assert whole.name("KL") == "KL"


def test_layers_are_called_by_their_numbers() -> None:
    values = curves([3.4, 1.2, 1.1, 1.0, 1.1])
    (axis,) = fit_axes([values], [range(1, 6)], cut=True)
    assert axis.notes == ("cut: layer 1 reaches 3.4",)


@pytest.mark.parametrize("values", [curves([0.0, 0.0]), curves([float("nan")] * 2), curves([2.0])])
def test_curves_without_any_extent_have_an_axis(values: np.ndarray) -> None:
    for options in ({}, {"from_zero": True}, {"cut": True}):
        (axis,) = fit_axes([values], layers(values), **options)
        low, high = axis.ends
        assert low < high


def test_a_number_that_is_asked_for_stands_on_every_axis() -> None:
    wide, narrow = curves([1.0, 3.5]), curves([1.0, 1.1])
    for axis in fit_axes([wide, narrow], layers(wide, narrow), including=0.0):
        low, high = axis.ends
        assert low < 0.0 < 1.0 < high


def test_a_scale_of_colours_is_shared_where_every_model_has_some_of_it_and_else_its_own() -> None:
    wide, narrow, flat = [0.0, 0.5, 1.0], [0.90, 0.95, 1.0], [0.3, 0.3]
    assert [axis.ends for axis in fit_scales([wide, [0.2, 0.5]], (0.0, 1.0))] == [(0.0, 1.0)] * 2
    own = fit_scales([wide, narrow], (0.0, 1.0))
    assert own[1].ends == pytest.approx((0.9, 1.0))
    assert {axis.notes for axis in own} == {("a scale of its own",)}
    assert fit_scales([wide, narrow], (0.0, 1.0), from_zero=True) == [Axis((0.0, 1.0))] * 2
    assert fit_scales([wide, flat], (0.0, 1.0)) == [Axis((0.0, 1.0))] * 2, "what is all alike has no colours to tell"
    assert fit_scales([], (0.0, 1.0)) == []
