import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from reportgen.figures.canonical import canonicalize_value
from reportgen.figures.describe import Curves, Figure, HeadMosaic, HeatMap, Rankings, TokenGrid, list_texts
from reportgen.figures.draw import draw
from reportgen.figures.draw.head_mosaic import stitch_heads
from reportgen.look.fonts import load_typefaces
from reportgen.look.model_styles import MUTED, ModelStyle, model_styles
from reportgen.report.comparison.array_pictures import MOST_LINES, make_array_figures
from reportgen.report.comparison.states import AFTER, BEFORE
from reportgen.report.comparison.table_pictures import MOST_COLUMNS, make_table_figures
from reportgen.results.quantities import Array, Table
from tests.figures.figure_samples import HOSTILE, attention

STYLES = model_styles(["llama"]) | {BEFORE: ModelStyle(MUTED, (3, 2), "o"), AFTER: ModelStyle("#0072b2", (), "o")}
TOP = ("prompt", "step", "position", "layer", "rank", "token_id", "token", "probability")
LENS = ("prompt", "step", "layer")


def draw_svg(figure: Figure) -> ET.Element:
    return ET.fromstring(draw(figure, typefaces=load_typefaces(set(list_texts(figure))), styles=STYLES).svg())


def lens(values: Any = 1.0) -> Array:
    return Array(LENS, np.full((4, 2, 5), values, dtype=np.float32), "nat")


def move_value(array: Array, index: tuple[Any, ...], by: float) -> Array:
    values = array.values.copy()
    values[index] += by
    return Array(array.dims, values, array.unit, array.coordinates)


def of_kind(figures: Sequence[Figure], kind: type[Figure]) -> list[Any]:
    assert all(type(figure) is kind for figure in figures)
    return list(figures)


def test_lines_over_layers_are_overlaid_before_and_after_and_their_difference_stands_beside() -> None:
    after = move_value(move_value(lens(), (2, 1, 3), 0.5), (0, 0, 4), 0.2)
    overlaid, difference = of_kind(
        make_array_figures("entropy", lens(), after, place={"prompt": 2, "step": 1, "layer": 3}, allowed=0.01), Curves
    )
    assert [(curve.model, curve.label) for curve in overlaid.curves] == [
        (BEFORE, "before"), (AFTER, "prompt 2, step 1"), (BEFORE, "before"), (AFTER, "prompt 0, step 0"),
    ]  # fmt: skip
    assert overlaid.curves[0].y == [1, 1, 1, 1, 1]
    assert overlaid.curves[1].y == [1, 1, 1, 1.5, 1]
    assert difference.curves[0].y == pytest.approx([0, 0, 0, 0.5, 0])
    assert difference.references == {"allowed at layer 3": 0.01}
    assert (overlaid.y_label, overlaid.x_label) == ("entropy (nat)", "layer (0 = embedding)")
    assert "the 2 of 8 lines that moved most" in overlaid.title
    assert "largest difference is 0.5" in overlaid.alt
    assert "at layer 3, prompt 2, step 1" in overlaid.alt


def test_the_worst_line_stands_first_and_lines_that_stayed_are_left_out() -> None:
    after = lens()
    for prompt in range(4):
        after = move_value(after, (prompt, 0, 2), 0.1 * (prompt + 1))
    figure = make_array_figures("entropy", lens(), after, place={"prompt": 1, "step": 0, "layer": 2})[0]
    assert isinstance(figure, Curves)
    labels = [curve.label for curve in figure.curves if curve.model == AFTER]
    assert labels == ["prompt 1, step 0", "prompt 3, step 0"]
    assert len(labels) == MOST_LINES
    assert make_array_figures("entropy", lens(), lens(), place={}) == []


def test_layers_stand_at_their_coordinates() -> None:
    one = Array(("layer",), np.array([1.0, 2.0, 3.0]), coordinates={"layer": (0, 15, 30)})
    figure = make_array_figures("share", one, move_value(one, (1,), 0.5), place={"layer": 15}, allowed=0.1)[0]
    assert isinstance(figure, Curves)
    assert figure.curves[0].x == [0, 15, 30]
    assert [curve.label for curve in figure.curves] == ["before", "after"]


def test_values_that_went_leave_a_gap_and_no_difference_is_drawn_of_them() -> None:
    (figure,) = make_array_figures(
        "entropy", lens(), move_value(lens(), (0, 0, 2), np.nan), place={"prompt": 0, "layer": 2}
    )
    assert isinstance(figure, Curves)
    assert np.isnan(figure.curves[1].y[2])
    assert draw_svg(figure) is not None


def test_heads_are_heat_maps_of_the_worst_prompt_on_one_scale_with_a_diverging_difference() -> None:
    random = np.random.default_rng(0)
    one = Array(("prompt", "block", "head"), random.random((2, 3, 4)), "weight")
    other = move_value(one, (1, 2, 3), -0.5)
    before, after, difference = of_kind(
        make_array_figures("sink", one, other, place={"prompt": 1, "block": 2, "head": 3}), HeatMap
    )
    assert before.values.shape == (4, 3)
    np.testing.assert_array_equal(before.values, one.values[1].T)
    np.testing.assert_array_equal(after.values, other.values[1].T)
    assert before.value_range == after.value_range
    assert difference.scale == "diverging"
    assert difference.values[3, 2] == pytest.approx(-0.5)
    assert np.count_nonzero(difference.values) == 1
    assert before.title == "Before: sink at prompt 1"


def test_a_heat_map_is_not_drawn_over_coordinates_that_it_would_number_wrongly() -> None:
    one = Array(("block", "head"), np.ones((2, 3)), coordinates={"block": (4, 9)})
    of_kind(make_array_figures("sink", one, move_value(one, (1, 2), 0.5), place={"block": 9, "head": 2}), Curves)


def test_patterns_are_mosaics_and_their_difference_keeps_its_sign() -> None:
    one = Array(("block", "head", "query", "key"), attention(2, 3, 5, 5))
    other = move_value(one, (1, 2, 4, 0), -0.25)
    before, after, difference = of_kind(
        make_array_figures("weights/0", one, other, place={"block": 1, "head": 2, "query": 4, "key": 0}), HeadMosaic
    )
    assert (before.scale, after.scale, difference.scale) == ("sequential", "sequential", "diverging")
    assert difference.patterns[1, 2, 4, 0] == pytest.approx(-0.25)
    assert np.count_nonzero(difference.patterns) == 1
    labels = "".join(draw_svg(difference).itertext())
    assert "Difference: weights/0" in labels


def top(changes: dict[tuple[int, int, int], list[str]] | None = None) -> Table:
    """Three prompts of two steps, four layers, three ranks."""
    rows: list[list[Any]] = []
    for prompt in range(3):
        for step in range(2):
            for layer in range(4):
                tokens = (changes or {}).get((prompt, step, layer), ["a", "b", "c"])
                for rank, token in enumerate(tokens, 1):
                    rows.append([prompt, step, 4 + step, layer, rank, ord(token[0]), token, 0.5 / rank])
    return Table(TOP, rows)


def test_ranked_tables_with_layers_are_token_grids_with_changed_leaders_outlined() -> None:
    after = top({(1, 0, 2): ["b", "a", "c"], (1, 1, 3): ["x", "a", "y"], (0, 0, 0): ["a", "b", "z"]})
    before, now, lost = of_kind(make_table_figures("top", top(), after, {1: "天氣"}), TokenGrid)
    assert before.rows == ["3", "2", "1", "0"], "the last layer stands on top"
    assert (before.columns, before.column_label) == (["0", "1"], "step")
    assert before.title == "Before: top, prompt 1 “天氣”"
    assert [row[0] for row in now.texts] == ["a", "b", "a", "a"]
    assert np.argwhere(now.outlined).tolist() == [[0, 1], [1, 0]]
    assert lost.texts == [["", "2/3"], ["", ""], ["", ""], ["", ""]]
    assert lost.values[0, 1] == pytest.approx(2 / 3)
    assert "layer 2 of 0, layer 3 of 1" in now.alt


def test_prompts_of_one_column_each_stand_beside_each_other_under_their_texts() -> None:
    columns = ("prompt", "layer", "rank", "token_id", "token", "probability")
    tables = [
        Table(columns, [[p, layer, 1, ord(token), token, 0.5] for p in range(6) for layer in range(2)])
        for token in "ab"
    ]
    (before, *_) = of_kind(make_table_figures("top", *tables, {p: f"text {p}" for p in range(6)}), TokenGrid)
    assert before.columns == [f"text {p}" for p in range(MOST_COLUMNS)]


def test_ranked_tables_without_layers_are_the_lists_that_changed() -> None:
    columns = ("query", "rank", "token_id", "token", "similarity")
    one = Table(columns, [[q, r, r, f"t{r}", 1 / r] for q in ("apple", "李") for r in (1, 2)])
    other = Table(columns, [*one.rows[:3], ["李", 2, 9, "new", 0.5]])
    before, after = of_kind(make_table_figures("neighbours", one, other), Rankings)
    assert [ranking.title for ranking in before.rankings] == ["李"]
    assert (before.rankings[0].labels, after.rankings[0].labels) == (["t1", "t2"], ["t1", "new"])
    assert before.value_range == after.value_range


def test_lists_that_only_one_table_has_are_empty_cells_of_the_other() -> None:
    shorter = Table(TOP, [row for row in top().rows if row[0] != 2])
    before, after, lost = of_kind(make_table_figures("top", top(), shorter), TokenGrid)
    assert not np.isnan(before.values).any()
    assert np.isnan(after.values).all()
    assert lost.texts[0] == ["3/3", "3/3"]
    *_, new = of_kind(make_table_figures("top", shorter, top()), TokenGrid)
    assert new.texts[0] == ["", ""], "a list that is new has lost nothing"
    assert np.isnan(new.values[0]).all()


def test_what_a_list_lost_is_counted_of_what_it_had() -> None:
    after = top({(1, 0, 2): ["x", "y", "z", "w", "v"]})
    *_, lost = of_kind(make_table_figures("top", top(), after), TokenGrid)
    assert [text for row in lost.texts for text in row if text] == ["3/3"]
    assert np.nanmax(lost.values) == 1


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (top(), top()),
        (top(), Table(("prompt", "rank"), [])),
        (Table(("prompt", "text"), [[0, "x"]]), Table(("prompt", "text"), [[0, "y"]])),
    ],
    ids=["the same", "other columns", "nothing ranked"],
)
def test_other_tables_have_no_pictures(before: Table, after: Table) -> None:
    assert make_table_figures("top", before, after) == []


def test_arrays_of_another_shape_or_without_dims_have_no_pictures() -> None:
    assert make_array_figures("entropy", lens(), Array(LENS, np.ones((4, 2, 6))), place={}) == []
    assert make_array_figures("entropy", Array((), np.array(1.0)), Array((), np.array(2.0)), place={}) == []


def test_every_picture_is_drawn_with_strangers_text_in_it_and_named_for_a_file() -> None:
    ranked = top({(0, 0, 1): ["!" + HOSTILE, "b", "c"]})
    pattern = Array(("block", "head", "query", "key"), attention(2, 3, 5, 5))
    sink = Array(("block", "head"), np.ones((2, 3)))
    figures = [
        *make_table_figures(HOSTILE, top(), ranked, {0: HOSTILE}),
        *make_array_figures(
            HOSTILE, lens(), move_value(lens(), (0, 0, 2), 1.0), place={"prompt": 0, "step": 0, "layer": 2}
        ),
        *make_array_figures("weights/0", pattern, move_value(pattern, (0, 0, 3, 1), 0.5), place={}),
        *make_array_figures("sink", sink, move_value(sink, (1, 2), -2.0), place={}),
    ]
    assert len(figures) == 11
    for figure in figures:
        assert not set(figure.name) - set("abcdefghijklmnopqrstuvwxyz0123456789-")
        assert not list(draw_svg(figure).iter("{http://www.w3.org/2000/svg}script"))
        assert list(canonicalize_value(figure)), "it can be kept"


def test_a_mosaic_of_differences_keeps_what_is_furthest_from_0_where_many_weights_are_one_pixel() -> None:
    differences = np.zeros((1, 1, 128, 128))
    differences[0, 0, 100, 3], differences[0, 0, 101, 2] = -0.4, 0.1
    picture = stitch_heads(differences)
    assert picture.shape == (64, 64)
    assert picture[50, 1] == -0.4
    assert np.nanmax(picture) == 0


def test_three_pictures_of_a_third_are_narrower_than_others() -> None:
    pattern = Array(("block", "head", "query", "key"), attention(30, 2, 5, 5))
    figures = make_array_figures("weights/0", pattern, move_value(pattern, (0, 0, 3, 1), 0.5), place={})
    widths = [float(draw_svg(figure).attrib["width"].removesuffix("pt")) for figure in figures]
    assert max(widths) < 275
