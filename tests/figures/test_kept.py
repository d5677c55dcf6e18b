from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from reportgen.cache import DRAWINGS, Shelf
from reportgen.figures import kept
from reportgen.figures.describe import Figure, HeatMap
from reportgen.figures.draw import Drawing, draw
from reportgen.figures.kept import CachedFigure, Flavour, drawing_key
from reportgen.look.fonts import Typefaces
from reportgen.look.model_styles import model_styles
from tests.figures.figure_samples import one_of_each

STYLES = model_styles(["llama", "gemma"])
FLAVOURS: tuple[Flavour, ...] = ("paths", "characters", "simple characters", "png", "pdf")
FIGURE = one_of_each()[-2]


@pytest.fixture
def conditions() -> Iterator[None]:
    """What drawings depend on is looked at anew, before and after."""
    kept.list_conditions.cache_clear()
    yield
    kept.list_conditions.cache_clear()


class Painter:
    """Draws a figure, and counts how often."""

    def __init__(self, faces: Typefaces) -> None:
        self.faces, self.times = faces, 0

    def __call__(self) -> Drawing:
        self.times += 1
        return draw(FIGURE, typefaces=self.faces, styles=STYLES)


def contents(drawing: CachedFigure) -> list[bytes]:
    svgs = [drawing.svg(text).encode() for text in ("paths", "characters", "simple characters")]
    return [*svgs, drawing.png(), drawing.pdf()]


def test_a_figure_is_drawn_once_and_then_the_same_bytes(faces: Typefaces) -> None:
    painter = Painter(faces)
    plain = contents(CachedFigure(None, painter))
    assert [content[:5] for content in plain] == [b"<svg "] * 3 + [b"\x89PNG\r", b"%PDF-"]
    key = drawing_key(FIGURE, STYLES)
    assert contents(CachedFigure(key, painter)) == plain
    assert painter.times == 2
    again = CachedFigure(key, painter)
    assert not again.draw_missing(FLAVOURS)
    assert contents(again) == plain
    assert painter.times == 2


def test_only_what_is_asked_for_must_be_there(faces: Typefaces) -> None:
    painter, key = Painter(faces), drawing_key(FIGURE, STYLES)
    assert CachedFigure(key, painter).draw_missing(["characters"])
    CachedFigure(key, painter).content("characters")
    assert not CachedFigure(key, painter).draw_missing(["characters"])
    assert CachedFigure(key, painter).draw_missing(["characters", "png"])


def test_what_was_damaged_is_drawn_anew(faces: Typefaces) -> None:
    painter, key = Painter(faces), drawing_key(FIGURE, STYLES)
    whole = contents(CachedFigure(key, painter))
    for file in Shelf(DRAWINGS).files():
        file.write_bytes(file.read_bytes()[:-1])
    assert contents(CachedFigure(key, painter)) == whole
    assert painter.times == 2
    assert contents(CachedFigure(key, painter)) == whole
    assert painter.times == 2


def test_what_cannot_be_named_is_drawn_each_time(faces: Typefaces) -> None:
    assert isinstance(FIGURE, Figure)
    heat_map = HeatMap(name="n", subject=(), title="t", alt="a", values=np.ma.masked_invalid([[1.0, np.nan]]),
                       row_label="r", column_label="c", value_label="v")  # fmt: skip
    assert drawing_key(heat_map, {}) is None
    painter = Painter(faces)
    assert contents(CachedFigure(None, painter)) == contents(CachedFigure(None, painter))
    assert painter.times == 2
    assert Shelf(DRAWINGS).files() == []
    assert CachedFigure(None, painter).key_of("png") is None


@pytest.mark.parametrize(
    ("place", "name", "changed"),
    [
        (kept, "code_of", lambda room: f"another painter in {room}"),
        (kept, "build_of", lambda distribution: f"another {distribution}"),
        (kept, "version_of", lambda distribution: f"another {distribution}"),
        (kept.fonts, "identify_fonts", lambda: ("another font",)),
    ],
)
def test_the_key_changes_with_the_code_the_libraries_and_the_fonts(
    conditions: None, monkeypatch: pytest.MonkeyPatch, place: object, name: str, changed: object
) -> None:
    before = drawing_key(FIGURE, STYLES)
    assert drawing_key(FIGURE, STYLES) == before
    monkeypatch.setattr(place, name, changed)
    kept.list_conditions.cache_clear()
    assert drawing_key(FIGURE, STYLES) != before


def test_the_key_changes_with_the_description_and_the_styles() -> None:
    gemma = model_styles(["gemma", "llama"])
    keys = {
        drawing_key(FIGURE, STYLES),
        drawing_key(FIGURE, gemma),
        drawing_key(replace(FIGURE, alt="another"), STYLES),
        *(drawing_key(figure, STYLES) for figure in one_of_each("y")),
    }
    assert len(keys) == 13
