import csv
import html
import io
import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest

from reportgen.figures.data import csv_of, table_of
from reportgen.figures.describe import AttentionHead, Curve, Curves, Figure, HeadMosaic, HeatMap, Maps, TokenGrid
from reportgen.figures.draw import draw
from reportgen.look.fonts import Typefaces
from reportgen.look.legible import make_legible
from reportgen.look.model_styles import model_styles
from reportgen.text.characters import mark_space
from tests.figures.figure_samples import HOSTILE, TOKENS, attention, one_of_each

STYLES = model_styles(["llama", "gemma"])
EACH = pytest.mark.parametrize(
    "figure", [*one_of_each(), *one_of_each(text=HOSTILE)], ids=lambda figure: type(figure).__name__
)
COLUMNS = {
    "TokenGrid": ["row", "column", "row_label", "column_label", "rank", "token", "probability", "outlined"],
    "HeadMosaic": ["block", "head", "query", "key", "weight"],
    "AttentionHead": ["query", "key", "query_token", "key_token", "weight"],
    "Curves": ["curve", "model", "group", "x", "y", "lower", "upper"],
    "HeatMap": ["row", "column", "value"],
    "Maps": ["panel", "item", "label", "group", "x", "y"],
    "Arcs": ["first", "second", "first_word", "second_word", "above", "below"],
    "StackedBars": ["bar", "segment", "value"],
    "Rankings": ["ranking", "rank", "label", "value"],
    "Timelines": ["timeline", "night", "value"],
}


def of_kind(kind: type, **changed: object) -> Figure:
    return replace(next(figure for figure in one_of_each() if isinstance(figure, kind)), **changed)


def read_csv(figure: Figure) -> list[list[str]]:
    return list(csv.reader(io.StringIO(csv_of(figure), newline=""), strict=True))


@EACH
def test_the_csv_holds_the_table_whatever_the_texts_are(figure: Figure) -> None:
    table = table_of(figure)
    head, *rows = read_csv(figure)
    assert head == list(table.columns) == COLUMNS[type(figure).__name__]
    assert len(rows) == len(table.rows) > 0
    for written, row in zip(rows, table.rows, strict=True):
        for field, value in zip(written, row, strict=True):
            if isinstance(value, float | np.floating):
                assert (
                    (field == "")
                    if np.isnan(value)
                    else (value.dtype.type if hasattr(value, "dtype") else float)(field) == value
                )
            elif isinstance(value, str):
                assert field == value.replace("\x00", "<U+0000>").replace("\ud800", "<U+D800>")
    csv_of(figure).encode()


def test_numbers_are_the_shortest_of_their_own_dtype() -> None:
    for dtype, text in (("float32", "0.1"), ("float64", "0.1"), ("float16", "0.1")):
        heat_map = of_kind(HeatMap, values=np.array([[0.1, np.nan], [1e-7, 3]], dtype))
        assert read_csv(heat_map)[1] == ["0", "0", text]
        assert read_csv(heat_map)[2] == ["0", "1", ""]
    assert read_csv(of_kind(HeatMap, values=np.array([[1 / 3]], np.float32)))[1][2] == "0.33333334"


def test_a_texts_quotes_and_lines_are_the_csvs_business() -> None:
    text = 'say "a, b"\r\n'
    curves = Curves(name="n", subject=(), title="t", alt="a", x_label="x", y_label="y",
                    curves=[Curve(label=text, x=[0, 1], y=[0.5, 1.0])])  # fmt: skip
    assert csv_of(curves).split("\n", 1)[1].startswith('"say ""a, b""\r\n",,,0,0.5\n')
    assert read_csv(curves)[1] == [text, "", "", "0", "0.5"]


def test_curves_without_a_band_have_no_columns_for_one() -> None:
    curves = of_kind(Curves)
    assert isinstance(curves, Curves)
    assert table_of(replace(curves, curves=curves.curves[1:])).columns == ("curve", "model", "group", "x", "y")
    assert table_of(curves).rows[-1] == ("other", "", curves.curves[0].label, 1, 0.4, None, None)


def test_only_the_half_that_attention_may_see_is_told() -> None:
    weights = attention(3, 2, 4, 4)
    rows = table_of(of_kind(HeadMosaic, patterns=weights)).rows
    assert len(rows) == 3 * 2 * 10
    assert rows[-1] == (2, 1, 3, 3, weights[2, 1, 3, 3])
    assert len(table_of(of_kind(HeadMosaic, patterns=np.where(weights == 0, np.nan, weights))).rows) == 60
    weights[0, 0, 0, 3] = 0.5
    assert len(table_of(of_kind(HeadMosaic, patterns=weights)).rows) == 3 * 2 * 16
    head = of_kind(AttentionHead, pattern=attention(2, 2), queries=["a", "b"], keys=["a", "b"])
    assert [row[:4] for row in table_of(head).rows] == [(0, 0, "a", "a"), (1, 0, "b", "a"), (1, 1, "b", "b")]


def test_a_cell_of_tokens_tells_all_its_ranks() -> None:
    grid = TokenGrid(name="g", subject=(), title="t", alt="a", row_label="layer", rows=["1"], column_label="step",
                     columns=["x"], texts=[["a"]], values=np.array([[0.5]]), value_label="p",
                     outlined=np.array([[True]]), alternatives=[[[("b", 0.25), ("天", 0.125)]]])  # fmt: skip
    assert csv_of(grid).splitlines()[1:] == ["0,0,1,x,1,a,0.5,true", "0,0,1,x,2,b,0.25,true", "0,0,1,x,3,天,0.125,true"]


def test_a_kind_that_nobody_knows_is_refused() -> None:
    with pytest.raises(TypeError, match="nobody knows the numbers of a figure of kind Figure"):
        table_of(Figure(name="n", subject=(), title="t", alt="a"))


def frames(figure: Figure, faces: Typefaces) -> list[dict]:
    root = ET.fromstring(draw(figure, typefaces=faces, styles=STYLES).svg("characters"))
    assert root.attrib["data-kind"] == type(figure).__name__
    width, height = map(float, root.attrib["viewBox"].split()[2:])
    found = json.loads(root.attrib["data-frames"])
    for frame in found:
        left, top, right, bottom = frame["box"]
        assert 0 <= left < right <= width
        assert 0 <= top <= bottom <= height
    return found


@EACH
def test_the_pages_svg_says_where_it_plots_and_no_other_does(figure: Figure, faces: Typefaces) -> None:
    assert frames(figure, faces)
    drawing = draw(figure, typefaces=faces, styles=STYLES)
    assert "data-frames" not in drawing.svg("paths") + drawing.svg("simple characters")
    opening = drawing.svg("characters").partition(">")[0]
    assert "<" not in opening[1:]
    # The page replaces inks in tags: none may stand in a text.
    assert "#" not in html.unescape(re.search('data-frames="([^"]*)"', opening)[1])


def test_a_grids_cells_lie_where_its_frame_says(faces: Typefaces) -> None:
    grid = of_kind(TokenGrid, values=np.ones((3, len(TOKENS) + 1)))
    assert isinstance(grid, TokenGrid)
    (frame,) = frames(grid, faces)
    assert (frame["rows"], frame["columns"]) == (3, len(TOKENS) + 1)
    svg = draw(grid, typefaces=faces, styles=STYLES).svg("characters")
    texts = re.findall(r'<text[^>]*?x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]*)</text>', svg)
    assert sum(text == html.escape(mark_space(make_legible(" the")), quote=False) for *_, text in texts) == 4
    left, top, right, bottom = frame["box"]
    xs = [(float(x), float(y)) for x, y, text in texts if text == "␣the"][1:]
    for row, (x, y) in enumerate(xs):
        assert left < x < left + (right - left) / frame["columns"]
        assert top + row * (bottom - top) / 3 < y < top + (row + 1) * (bottom - top) / 3


def test_a_mosaics_frame_finds_each_head_and_names_its_tokens(faces: Typefaces) -> None:
    mosaic = of_kind(
        HeadMosaic, patterns=attention(3, 2, 4, 4), queries=[" a", "b", "c", "d"], keys=["a", "b", "c", "\n"]
    )
    (frame,) = frames(mosaic, faces)
    assert (frame["blocks"], frame["columns"], frame["heads"], frame["rows"]) == (3, 3, 2, 2)
    assert frame["queries"] == ["␣a", "b", "c", "d"]
    assert frame["keys"][-1] == "↵"
    left, _, right, _ = frame["box"]
    # 3 tiles of 4 pixels, a pixel apart
    assert frame["gap"] == pytest.approx((right - left) / 14, rel=1e-3)


def test_a_curves_frame_knows_the_numbers_at_its_edges(faces: Typefaces) -> None:
    curves = of_kind(Curves, x_range=(0.0, 2.0))
    (frame,) = frames(curves, faces)
    assert frame["x"] == [0.0, 2.0]
    low, high = frame["y"]
    assert low < 0 < 1 < high


def test_a_maps_frame_finds_its_points(faces: Typefaces) -> None:
    maps = of_kind(Maps)
    assert isinstance(maps, Maps)
    (frame,) = frames(maps, faces)
    points = maps.panels[0].points
    low, high = frame["x"]
    assert low < points[:, 0].min() < points[:, 0].max() < high
    left, top, right, bottom = frame["box"]
    # one scale for both axes
    assert (high - low) / (right - left) == pytest.approx((frame["y"][1] - frame["y"][0]) / (bottom - top), rel=1e-3)
    assert frame["panel"] == 0
