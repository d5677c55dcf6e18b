"""What a thumbnail shows of a figure: fewer cells and shorter names, in the words that the figure has."""

from dataclasses import replace

import numpy as np
import pytest

from reportgen.figures.abridge import BLOCKS, COLUMNS, HEADS, LONGEST, POINTS, RANKED, ROWS, SEGMENTS, abridge_figure
from reportgen.figures.describe import Curves, Figure, HeadMosaic, Maps, Panel, Rankings, StackedBars, TokenGrid
from reportgen.figures.draw import draw
from reportgen.look.fonts import load_typefaces
from reportgen.look.model_styles import model_styles
from reportgen.look.theme import PAPER
from reportgen.report.content.thumbnails import HEIGHT, WIDTH
from tests.figures.figure_samples import one_of_each

SMALL = PAPER.model_copy(update={"width": WIDTH, "widest": WIDTH, "height": HEIGHT})


def sample(kind: type[Figure]) -> Figure:
    return next(one for one in one_of_each() if isinstance(one, kind))


@pytest.mark.parametrize("figure", one_of_each(), ids=lambda figure: type(figure).__name__)
def test_every_kind_is_drawn_as_small_as_a_thumbnail_is(figure: Figure) -> None:
    small = abridge_figure(figure)
    texts = _texts(small)
    drawing = draw(small, typefaces=load_typefaces(texts), styles=model_styles(["a", "b", "llama"]), theme=SMALL)
    assert drawing.width_inches * 72 < 1.35 * WIDTH
    assert (small.name, small.subject, small.title, small.alt) == (
        figure.name,
        figure.subject,
        figure.title,
        figure.alt,
    )


def _texts(figure: Figure) -> set[str]:
    from reportgen.figures.describe import list_texts

    return set(list_texts(figure))


def test_a_grid_keeps_every_nth_layer_and_its_first_columns() -> None:
    texts = [[f"{layer} {column}" for column in range(5)] for layer in range(30, -1, -1)]
    grid = replace(
        sample(TokenGrid), rows=[str(layer) for layer in range(30, -1, -1)], columns=list("abcde"), texts=texts,
        values=np.linspace(0, 1, 155).reshape(31, 5), outlined=np.zeros((31, 5), bool), sampleable=True,
        row_label="layer (0 = embedding)", outline_label="the answer", alternatives=(),
    )  # fmt: skip
    small = abridge_figure(grid)
    assert isinstance(small, TokenGrid)
    assert (small.rows, small.columns) == (["30", "24", "18", "12", "6", "0"], list("abc"))
    assert small.texts[1] == ["24 0", "24 1", "24 2"]
    assert small.values.shape == small.outlined.shape == (ROWS, COLUMNS)
    assert small.values[1, 2] == grid.values[6, 2]
    assert (small.row_label, small.outline_label) == ("layer, one in 6", "")


def test_a_mosaic_keeps_blocks_evenly_chosen_by_their_numbers() -> None:
    patterns = np.arange(30 * 9).reshape(30, 9, 1, 1).astype(float)
    small = abridge_figure(replace(sample(HeadMosaic), patterns=patterns, blocks=()))
    assert isinstance(small, HeadMosaic)
    assert small.patterns.shape == (BLOCKS, HEADS, 1, 1)
    assert list(small.blocks) == [0, 4, 8, 12, 17, 21, 25, 29]
    assert small.patterns[:, 0, 0, 0].tolist() == [9.0 * block for block in small.blocks]
    assert small.axes == "↓ head · → block"


def test_bars_keep_their_largest_segments_and_their_totals() -> None:
    bars = replace(
        sample(StackedBars), bars=["a model of a long name", "b"], segments=list("abcde"),
        values=np.array([[1.0, 5.0, 2.0, 4.0, 3.0], [0.0, 6.0, 1.0, 2.0, 9.0]]),
    )  # fmt: skip
    small = abridge_figure(bars)
    assert isinstance(small, StackedBars)
    assert list(small.segments) == ["b", "d", "e", "others"]
    assert len(small.segments) == SEGMENTS + 1
    assert small.values.sum(1).tolist() == bars.values.sum(1).tolist()
    assert small.values[:, -1].tolist() == [3.0, 1.0]
    assert small.bars[0] == "a model of…"
    assert len(small.bars[0]) == LONGEST


def test_lists_and_maps_keep_some_of_each_and_curves_all_of_theirs() -> None:
    rankings = abridge_figure(sample(Rankings))
    assert isinstance(rankings, Rankings)
    assert len(rankings.rankings) == 1
    assert len(rankings.rankings[0].labels) == len(rankings.rankings[0].values) <= RANKED
    points = np.arange(60.0).reshape(30, 2)
    maps = replace(
        sample(Maps), labels=[f"w{i}" for i in range(30)], groups=["g"] * 30,
        panels=[Panel(title=t, points=points, x_label="x", y_label="y") for t in ("layer 0", "layer 9")],
    )  # fmt: skip
    small = abridge_figure(maps)
    assert isinstance(small, Maps)
    assert [panel.title for panel in small.panels] == ["layer 9"]
    assert len(small.labels) == POINTS
    assert small.panels[0].points[-1].tolist() == points[29].tolist()
    curves = sample(Curves)
    assert isinstance(curves, Curves)
    cut = abridge_figure(curves)
    assert isinstance(cut, Curves)
    assert [one.y for one in cut.curves] == [one.y for one in curves.curves]
    assert max(len(one.label) for one in cut.curves) <= LONGEST
