import numpy as np
import pytest

from reportgen.look import model_styles as style
from reportgen.look.model_styles import (
    choose_text_colour,
    contrast,
    lighten_for,
    luminance,
    map_diverging,
    map_sequential,
    model_styles,
    rgb,
)
from reportgen.look.theme import PAPER


def test_contrast_as_wcag_defines_it() -> None:
    assert contrast((0, 0, 0), (1, 1, 1)) == pytest.approx(21)
    # 0x77 / 255 = 0.46667; ((0.46667 + 0.055) / 1.055) ** 2.4 = 0.18447; 1.05 / 0.23447 = 4.478
    assert contrast(rgb("#777777"), rgb("#ffffff")) == pytest.approx(4.478, abs=1e-3)
    assert luminance(rgb("#ff0000")) == pytest.approx(0.2126)
    # 5 / 255 / 12.92
    assert luminance(rgb("#050505")) == pytest.approx(0.0015176, abs=1e-6)


@pytest.mark.parametrize("colours", [map_sequential(np.linspace(0, 1, 500)), map_diverging(np.linspace(-1, 1, 500))])
def test_text_is_readable_on_every_cell(colours: np.ndarray) -> None:
    assert min(contrast(rgb(choose_text_colour(colour)), colour) for colour in colours.tolist()) >= 4.5


def test_text_is_readable_on_every_grey() -> None:
    greys = np.linspace(0, 1, 2001)
    assert min(contrast(rgb(choose_text_colour((g, g, g))), (g, g, g)) for g in greys) >= 4.5
    assert choose_text_colour((1, 1, 1)) == style.DARK
    assert choose_text_colour((0, 0, 0)) == style.LIGHT


def test_zero_is_light_and_one_is_dark() -> None:
    lightness = [luminance(colour) for colour in map_sequential(np.linspace(0, 1, 50)).tolist()]
    assert lightness == sorted(lightness, reverse=True)
    assert lightness[0] > 0.9
    assert lightness[-1] < 0.05


def test_no_difference_is_white() -> None:
    np.testing.assert_array_equal(map_diverging(0.0), [1, 1, 1, 1])
    negative, positive = map_diverging([-0.5, 0.5])
    assert negative[0] > negative[2]
    assert positive[0] < positive[2]


def test_nan_is_transparent_and_what_is_beyond_the_scale_its_end() -> None:
    colours = map_sequential([[np.nan, -1.0, 0.0], [2.0, 1.0, 0.5]])
    assert colours.shape == (2, 3, 4)
    assert colours[0, 0, 3] == 0
    np.testing.assert_array_equal(colours[0, 1], colours[0, 2])
    np.testing.assert_array_equal(colours[1, 0], colours[1, 1])


def test_thirty_models_are_told_apart_with_the_order_of_the_battery() -> None:
    styles = model_styles([f"m{i}" for i in range(30)])
    assert len({(look.colour, look.dash) for look in styles.values()}) == 30
    assert styles["m0"].dash == ()
    assert model_styles(["b", "a", "b"]) == dict(zip("ba", list(styles.values())[:2], strict=True))
    assert {look.marker for look in styles.values()} <= set(style.MARKERS)


def test_inks_are_no_colour_of_anything_else() -> None:
    inks = {style.INK, style.MUTED, style.FAINT, style.PAPER}
    assert len(inks) == 4
    assert not inks & {style.DARK, style.LIGHT, *PAPER.models, *PAPER.areas, *PAPER.sequential, *PAPER.diverging}


@pytest.mark.parametrize("colour", [*PAPER.models, "#000000", "#7a0019", "#2f5d8a"])
def test_a_colour_is_lightened_as_far_as_a_dark_ground_needs(colour: str) -> None:
    lighter = lighten_for(colour, "#17191c")
    assert contrast(rgb(lighter), rgb("#17191c")) >= 4.5
    assert all(new >= old for new, old in zip(rgb(lighter), rgb(colour), strict=True))


def test_a_colour_that_is_light_enough_stays() -> None:
    assert lighten_for("#f0b8dd", "#17191c") == "#f0b8dd"
