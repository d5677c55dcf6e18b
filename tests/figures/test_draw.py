import html
import json
import re
import time
import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from reportgen.figures.describe import (
    AttentionHead,
    Curve,
    Curves,
    Figure,
    HeadMosaic,
    Maps,
    Panel,
    TokenGrid,
    list_texts,
)
from reportgen.figures.draw import Drawing, draw
from reportgen.figures.draw.canvas import Canvas
from reportgen.figures.draw.direct_labels import spread_labels
from reportgen.figures.draw.head_mosaic import stitch_heads
from reportgen.figures.draw.lettering import Lettering, needs_shaping
from reportgen.figures.draw.look import Look
from reportgen.figures.draw.maps import _cut_to_box, paint_maps
from reportgen.figures.draw.plain_svg import simplify_svg
from reportgen.figures.draw.scales import choose_labelled, choose_ticks, find_extent, write_alike, write_ticks
from reportgen.look.fonts import Typefaces, load_typefaces
from reportgen.look.legible import families_of, make_legible
from reportgen.look.model_styles import map_sequential, model_styles
from reportgen.look.theme import PAPER, VERMILLION
from tests.figures.figure_samples import HOSTILE, attention, one_of_each

SVG = "{http://www.w3.org/2000/svg}"
STYLES = model_styles(["llama", "gemma"])
EACH = pytest.mark.parametrize("figure", one_of_each(), ids=lambda figure: type(figure).__name__)
EACH_HOSTILE = pytest.mark.parametrize("figure", one_of_each(text=HOSTILE), ids=lambda figure: type(figure).__name__)


def draw_figure(figure: Figure, faces: Typefaces) -> Drawing:
    return draw(figure, typefaces=faces, styles=STYLES)


def ids(svg: str) -> list[str]:
    return re.findall(r'\sid="([^"]+)"', svg)


@EACH
def test_every_kind_comes_out_in_every_format(figure: Figure, faces: Typefaces) -> None:
    drawing = draw_figure(figure, faces)
    assert drawing.svg().startswith("<svg ")
    assert drawing.png(dpi=50).startswith(b"\x89PNG")
    assert drawing.pdf().startswith(b"%PDF")
    root = ET.fromstring(drawing.svg())
    assert float(root.attrib["width"].removesuffix("pt")) == pytest.approx(drawing.width_inches * 72, abs=1e-3)
    assert float(root.attrib["height"].removesuffix("pt")) == pytest.approx(drawing.height_inches * 72, abs=1e-3)


@EACH
def test_the_same_figure_has_the_same_bytes(figure: Figure, faces: Typefaces) -> None:
    one, other = draw_figure(figure, faces), draw_figure(figure, faces)
    assert one.svg() == one.svg() == other.svg()
    assert one.png(50) == other.png(50)
    assert one.pdf() == other.pdf()


@EACH_HOSTILE
def test_strangers_text_is_drawn_and_breaks_nothing(figure: Figure, faces: Typefaces) -> None:
    drawing = draw_figure(figure, faces)
    root = ET.fromstring(drawing.svg())
    assert root.find(f"{SVG}title").text == make_legible(figure.title)
    assert root.find(f"{SVG}desc").text == make_legible(figure.alt)
    assert not list(root.iter(f"{SVG}script"))
    assert b"%%EOF" in drawing.pdf()
    drawing.png(50)


@EACH
def test_every_reference_is_defined_in_its_own_figure(figure: Figure, faces: Typefaces) -> None:
    svg = draw_figure(figure, faces).svg()
    found = ids(svg)
    assert len(found) == len(set(found))
    references = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', svg))
    assert {a or b for a, b in references} <= set(found)
    root = ET.fromstring(svg)
    assert root.attrib["role"] == "img"
    assert set(root.attrib["aria-labelledby"].split()) <= set(found)


def test_no_two_figures_share_an_id(faces: Typefaces) -> None:
    figures = [*one_of_each("a"), *one_of_each("b"), *(replace(f, alt="another") for f in one_of_each("a"))]
    found = [name for figure in figures for name in ids(draw_figure(figure, faces).svg())]
    assert len(found) == len(set(found))


@EACH
def test_nothing_of_a_figure_reaches_the_page_around_it(figure: Figure, faces: Typefaces) -> None:
    svg = draw_figure(figure, faces).svg()
    assert "<style" not in svg
    assert "<!" not in svg
    assert "<?" not in svg
    assert "<text" not in svg


def test_a_figure_of_no_known_kind_is_refused(faces: Typefaces) -> None:
    with pytest.raises(TypeError, match="nothing draws a figure of kind Figure"):
        draw_figure(Figure(name="n", subject=(), title="t", alt="a"), faces)


def test_typefaces_of_another_report_do_not_linger() -> None:
    grid = one_of_each()[1]
    assert isinstance(grid, TokenGrid)
    for token in ("天", "氣", "中"):
        one = TokenGrid(name="g", subject=(), title="t", alt="a", row_label="r", rows=["0"], column_label="c",
                        columns=[token], texts=[[token]], values=np.ones((1, 1)), value_label="v",
                        outlined=np.zeros((1, 1), bool))  # fmt: skip
        assert "CJK" in draw_figure(one, load_typefaces(token)).svg()


def test_users_settings_of_matplotlib_change_nothing(faces: Typefaces) -> None:
    import matplotlib as mpl

    figure = one_of_each()[0]
    plain = draw_figure(figure, faces).svg()
    with mpl.rc_context({"lines.linewidth": 9, "text.parse_math": True, "font.size": 30}):
        assert draw_figure(figure, faces).svg() == plain
        assert mpl.rcParams["lines.linewidth"] == 9


def test_the_mosaic_holds_every_weight_once() -> None:
    patterns = attention(3, 2, 4, 4)
    picture = stitch_heads(patterns)
    assert picture.shape == (2 * 4 + 1, 3 * 4 + 2)
    for block in range(3):
        for head in range(2):
            tile = picture[head * 5 : head * 5 + 4, block * 5 : block * 5 + 4]
            lower = np.tri(4, dtype=bool)
            np.testing.assert_array_equal(tile[lower], patterns[block, head][lower])
            assert np.isnan(tile[~lower]).all()
    assert np.isnan(picture[4]).all()
    assert np.isnan(picture[:, [4, 9]]).all()


def test_the_mosaics_image_is_the_data_in_colour(faces: Typefaces) -> None:
    import base64
    from io import BytesIO

    from PIL import Image

    mosaic = one_of_each()[2]
    assert isinstance(mosaic, HeadMosaic)
    svg = draw_figure(mosaic, faces).svg()
    embedded = re.findall(r'href="data:image/png;base64,([^"]+)"', svg)
    assert len(embedded) == 1
    with Image.open(BytesIO(base64.b64decode(re.sub(r"\s", "", embedded[0])))) as image:
        pixels = np.asarray(image.convert("RGBA"))
    wanted = (map_sequential(stitch_heads(mosaic.patterns)) * 255).round().astype(np.uint8)
    seen = wanted[..., 3] > 0
    assert pixels.shape == wanted.shape
    np.testing.assert_array_equal(pixels[seen], wanted[seen])
    np.testing.assert_array_equal(pixels[..., 3], wanted[..., 3])


def test_long_prompts_are_pooled_by_their_largest_weight() -> None:
    patterns = np.zeros((1, 1, 130, 130), dtype=np.float32)
    patterns[0, 0, 129, 0] = 0.75
    picture = stitch_heads(patterns)
    assert picture.shape == (44, 44)
    assert picture[-1, 0] == 0.75
    assert np.nansum(picture) == 0.75


def test_what_the_mask_forbids_is_not_drawn(faces: Typefaces) -> None:
    tokens = ["a", "b", "c"]
    head = AttentionHead(name="h", subject=(), title="t", alt="a", pattern=attention(3, 3), queries=tokens, keys=tokens)
    svg = draw_figure(head, faces).svg()
    cells = re.search(r'<g id="[^"]*PolyCollection_1">(.*?)</g>', svg, re.DOTALL)
    assert cells is not None
    assert cells[1].count("<path") == 6


def test_a_grid_fills_and_outlines_its_cells(faces: Typefaces) -> None:
    grid = TokenGrid(name="g", subject=(), title="t", alt="a", row_label="layer", rows=["0", "1"], column_label="step",
                     columns=["a"], texts=[["a"], ["b"]], values=np.array([[0.0], [1.0]]), value_label="probability",
                     outlined=np.array([[False], [True]]))  # fmt: skip
    svg = draw_figure(grid, faces).svg()
    assert svg.count("fill: #f6f8fb") >= 1
    assert svg.count("fill: #0b2a5c") >= 1
    assert svg.count(f"stroke: {VERMILLION}") == 1


def test_too_many_cells_become_an_image(faces: Typefaces) -> None:
    canvas = Canvas(100, 100, Look(PAPER, Lettering(faces), {}))
    canvas.cells((0, 0, 100, 100), np.ones((40, 50, 4)))
    assert len(canvas.plane.images) == 0
    canvas.cells((0, 0, 100, 100), np.ones((41, 50, 4)))
    assert len(canvas.plane.images) == 1


def test_too_many_points_become_an_image(faces: Typefaces) -> None:
    points = np.random.default_rng(0).random((2500, 2))
    maps = Maps(name="m", subject=(), title="t", alt="a", labels=[""] * 2500, groups=[""] * 2500,
                panels=[Panel(title="p", points=points, x_label="", y_label="")])  # fmt: skip
    svg = draw_figure(maps, faces).svg()
    assert svg.count("<image") == 1
    assert svg.count("<use") < 200


def test_a_map_shows_what_joins_its_points_and_a_coast_below_them(faces: Typefaces) -> None:
    def draw_panel(**more: Any) -> str:
        panel = Panel(title="p", points=np.array([[0.0, 0], [10, 10], [np.nan, 1]]), x_label="", y_label="", **more)
        maps = Maps(name="m", subject=(), title="t", alt="a", labels=[""] * 3, groups=[""] * 3, panels=[panel])
        return draw_figure(maps, faces).svg()

    bare = draw_panel().count("<path")
    joined = draw_panel(edges=[(0, 1), (1, 2)])
    coast = draw_panel(backdrop=[np.array([[0, 0], [5, 5], [9, 1]])], x_range=(-180, 180), y_range=(-90, 90))
    assert joined.count("<path") == bare + 1  # an edge to a point that is nowhere is none
    assert coast.count("<path") == bare + 1


def test_a_coast_ends_where_its_panel_does() -> None:
    line = np.array([[-5.0, 5], [5, 5], [9, 1], [12, 1], [8, 20], [7, 7], [6, 6]])
    parts = _cut_to_box(line, (0.0, 0.0, 10.0, 10.0))
    assert [part.tolist() for part in parts] == [[[5, 5], [9, 1]], [[7, 7], [6, 6]]]
    assert _cut_to_box(line[:2], (0.0, 0.0, 10.0, 10.0)) == []


def test_maps_of_the_world_stand_one_above_the_other_unless_they_are_larger_side_by_side(faces: Typefaces) -> None:
    world = Panel(
        title="p", points=np.array([[0.0, 0], [10, 10]]), x_label="", y_label="", x_range=(-180, 180), y_range=(-60, 84)
    )
    maps = Maps(name="m", subject=(), title="t", alt="a", labels=["x", ""], groups=["", ""], panels=[world, world])
    low = PAPER.model_copy(update={"tallest": 200.0})
    high, wide = (paint_maps(maps, Look(theme, Lettering(faces), STYLES)) for theme in (PAPER, low))
    assert high.height > 0.8 * high.width
    assert wide.height < 0.6 * wide.width


def test_groups_have_other_colours_than_the_first_two_models(faces: Typefaces) -> None:
    groups = Look(PAPER, Lettering(faces), STYLES).groups(["cities", "animals", "colours", "numbers"])
    assert not {one.colour for one in groups.values()} & {one.colour for one in STYLES.values()}
    assert len({one.colour for one in groups.values()}) == 4


def test_curves_without_any_number_are_an_empty_plot(faces: Typefaces) -> None:
    curve = Curve(label="none", x=[0, 1], y=[np.nan, np.nan])
    figure = Curves(name="n", subject=(), title="t", alt="a", x_label="x", y_label="y", curves=[curve])
    ET.fromstring(draw_figure(figure, faces).svg())


def test_emoji_and_han_are_in_the_pdf_too() -> None:
    def size(token: str) -> int:
        grid = TokenGrid(name="g", subject=(), title="t", alt="a", row_label="r", rows=["0"], column_label="c",
                         columns=["x"], texts=[[token]], values=np.ones((1, 1)), value_label="v",
                         outlined=np.zeros((1, 1), bool))  # fmt: skip
        return draw(grid, typefaces=load_typefaces([token]), styles={}).pdf().count(b"/CharProcs")

    assert size("🐠") == size("天") == size("x") + 1


@pytest.mark.parametrize(
    ("wanted", "places"),
    [
        ([], []),
        ([5.0], [5.0]),
        ([0.0, 100.0], [0.0, 100.0]),
        ([50.0, 50.0], [45.0, 55.0]),
        ([50.0, 49.0, 51.0], [50.0, 40.0, 60.0]),
        ([-20.0, 0.0], [0.0, 10.0]),
        ([100.0, 100.0], [90.0, 100.0]),
    ],
)
def test_labels_move_as_little_as_they_must(wanted: list[float], places: list[float]) -> None:
    assert spread_labels(wanted, 10.0, 0.0, 100.0) == pytest.approx(places)


def test_labels_that_do_not_fit_keep_their_distance() -> None:
    assert spread_labels([0.0] * 4, 10.0, 0.0, 20.0) == [0.0, 10.0, 20.0, 30.0]


def test_long_text_is_cut_to_its_room(faces: Typefaces) -> None:
    lettering = Lettering(faces)
    assert lettering.shorten("short", 100) == "short"
    cut = lettering.shorten("unbelievably long", 40, mono=True)
    assert re.fullmatch(r"unbel\w*…", cut)
    assert lettering.width(cut, mono=True) <= 40
    assert lettering.width(cut[:-1] + "vv…", mono=True) > 40
    assert lettering.shorten("a" * 100_000, 30).endswith("…")
    assert lettering.shorten("नमस्ते", 12)[-2] in "नम"


def test_han_is_wider_than_latin_and_arabic_is_joined(faces: Typefaces) -> None:
    lettering = Lettering(faces)
    assert lettering.width("天", size=10, mono=True) == pytest.approx(10, abs=1.5)
    assert lettering.width("مرحبا") < sum(lettering.width(letter) for letter in "مرحبا")


def test_numbers_of_an_axis() -> None:
    assert write_ticks([0.0, 0.5, 1.0]) == ["0.0", "0.5", "1.0"]
    assert write_ticks([-2.0, 0.0, 2000.0]) == ["−2", "0", "2,000"]
    assert write_ticks([0.0, 2.5e-7, 5e-7]) == ["0", "2.5 × 10⁻⁷", "5 × 10⁻⁷"]
    assert choose_ticks(0, 30, 8) == [0, 5, 10, 15, 20, 25, 30]
    assert choose_ticks(0, 3, 8) == [0, 0.5, 1, 1.5, 2, 2.5, 3]
    assert find_extent([np.nan, 1.0, 3.0], margin=0.5) == (0.0, 4.0)
    assert find_extent([2.0, 2.0]) == (1.0, 3.0)
    assert find_extent([]) == (0.0, 1.0)


def test_numbers_beside_marks() -> None:
    assert write_alike([0.998, 0.0137]) == ["0.998", "0.014"]
    assert write_alike([134.0, 2.0, float("nan")]) == ["134", "2", "–"]
    assert write_alike([0.998, 0.0, 1e-5]) == ["0.998", "0.000", "1.0 × 10⁻⁵"]
    assert write_alike([]) == []


def test_labels_along_an_axis_are_thinned_out() -> None:
    assert list(choose_labelled(5, 100, 10)) == [0, 1, 2, 3, 4]
    assert list(choose_labelled(30, 100, 10)) == [0, 5, 10, 15, 20, 25]
    assert list(choose_labelled(0, 100, 10)) == []


def test_only_simple_scripts_are_characters_where_nothing_shapes_them() -> None:
    assert not any(map(needs_shaping, ["chilly", "天氣", "ёлка", "für ␣", "한국어", "🐠"]))
    assert all(map(needs_shaping, ["وبركاته", "राजा", "สวัสดี", "שלום", "பிரபு", "e\u0301"]))


@pytest.mark.parametrize("figure", one_of_each(), ids=lambda figure: type(figure).__name__)
def test_a_figure_does_not_depend_on_what_others_show(figure: Figure) -> None:
    own = set(list_texts(figure))
    others = "ひらがな 漢字一二三 Žluťoučký Жизнь नमक العالم ทดสอบ 🐡 ♫ 한글 ქართული க்ஷ"
    one, other = (draw_figure(figure, load_typefaces(shown)) for shown in (own, own | {others}))
    for text in ("paths", "characters", "simple characters"):
        assert one.svg(text) == other.svg(text)
    assert one.png(100) == other.png(100)
    assert one.pdf() == other.pdf()


def test_a_text_is_set_in_its_own_families() -> None:
    assert families_of("plain") == ("reportgen Sans",)
    assert families_of("plain", mono=True) == ("reportgen Mono",)
    assert families_of("ж é", mono=True) == ("reportgen Mono",)
    assert families_of("🐠 天 नम", mono=True) == (
        "reportgen Mono", "reportgen Sans Devanagari", "reportgen Emoji", "reportgen CJK",
    )  # fmt: skip
    assert families_of("天") == ("reportgen Sans", "reportgen CJK")


@EACH
def test_paper_gets_the_same_picture_in_fewer_words(figure: Figure, faces: Typefaces) -> None:
    drawing = draw_figure(figure, faces)
    plain, whole = (ET.fromstring(drawing.svg(text)) for text in ("simple characters", "characters"))
    assert plain.attrib["viewBox"] == whole.attrib["viewBox"]
    assert not list(plain.iterfind(".//*[@style]"))
    assert not list(plain.iterfind(".//*[@text-anchor]"))
    assert all(set(group.attrib) - {"id"} for group in plain.iter(f"{SVG}g"))
    shown = [text.text for text in plain.iter(f"{SVG}text")]
    assert shown == [text.text for text in whole.iter(f"{SVG}text") if not needs_shaping(text.text)]
    fills = [path.get("fill") for path in plain.iter(f"{SVG}path") if path.get("fill")]
    assert set(re.findall(r"fill: ([^;\"]+)", drawing.svg("characters"))) >= set(fills)


def test_texts_of_paper_begin_where_their_anchor_puts_them() -> None:
    style = "font-size: 8px; font-family: 'A', 'B'; text-anchor: {}; fill: #fff"
    said = f'<text style="{style}" x="50" y="9" transform="{{}}">abc</text>'
    anchors = ("start", "rotate(-0 50 9)"), ("middle", "rotate(-0 50 9)"), ("end", "rotate(-90 50 9)")
    texts = "".join(said.format(*anchor) for anchor in anchors)
    svg = f'<svg xmlns="http://www.w3.org/2000/svg"><g id="a">{texts}</g></svg>'
    found = list(ET.fromstring(simplify_svg(svg, lambda text, size, family: len(text) * size if family == "A" else 0)))
    assert [float(text.attrib["x"]) for text in found] == [50.0, 38.0, 26.0]
    assert [text.get("transform") for text in found] == [None, None, "rotate(-90 50 9)"]
    assert {text.attrib["fill"] for text in found} == {"#fff"}


def test_a_mosaic_of_a_large_model_is_drawn_at_once(faces: Typefaces) -> None:
    mosaic = HeadMosaic(name="m", subject=(), title="t", alt="a", patterns=attention(28, 24, 12, 12))
    started = time.process_time()
    drawing = draw_figure(mosaic, faces)
    sizes = [len(drawing.svg("characters")), len(drawing.png())]
    assert time.process_time() - started < 3
    assert max(sizes) < 1_000_000


def test_the_blocks_of_a_mosaic_are_named_by_their_numbers_where_some_have_no_attention(faces: Typefaces) -> None:
    mosaic = HeadMosaic(name="m", subject=(), title="t", alt="a", patterns=attention(2, 2, 4, 4), blocks=(1, 3))
    svg = draw_figure(mosaic, faces).svg("characters")
    (frame,) = json.loads(html.unescape(re.findall(r'data-frames="([^"]+)"', svg)[0]))
    assert frame["numbers"] == [1, 3]
    written = re.findall(r">\s*(\d)\s*<", svg)
    assert written[:2] == ["1", "3"]


def test_the_name_of_an_axis_is_broken_where_its_figure_is_narrow() -> None:
    lettering = Lettering(load_typefaces("abc (…)"))
    named = "normalised cosine (its own axis; cut: layer 1 reaches 1.4)"
    lines = lettering.break_lines(named, 150)
    assert len(lines) > 1
    assert " ".join(lines) == named
    assert all(lettering.width(line) <= 150 for line in lines)
    assert lettering.break_lines("unbreakable" * 20, 150) == ["unbreakable" * 20]


def test_headers_that_would_be_cut_to_the_same_show_the_word_that_differs(faces: Typefaces) -> None:
    from reportgen.figures.draw.token_grid import _shorten_apart

    lettering = Lettering(faces)
    room = lettering.width("…orange juice", mono=True)
    columns = ["The colour of the apple juice", "The colour of the orange juice", "short", "The sky"]
    shown = _shorten_apart(columns, room, lettering)
    assert "apple" in shown[0]
    assert "orange" in shown[1]
    assert shown[2:] == ["short", "The sky"]
    assert all(lettering.width(one, mono=True) <= room for one in shown)
    assert len({*_shorten_apart(["the same long header"] * 2, room, lettering)}) == 1


def test_two_tokens_of_a_header_that_have_no_room_on_a_line_stand_on_two(faces: Typefaces) -> None:
    from reportgen.figures.draw.token_grid import _write_heads

    lettering = Lettering(faces)
    room = lettering.width("␣steep/", mono=True)
    heads = _write_heads(["The", "␣steep/robbed", "a/b", "␣/long token here"], room, lettering)
    assert heads[:3] == [["The"], ["␣steep/", "robbed"], ["a/b"]]
    assert len(heads[3]) == 1


def test_a_diverging_grid_has_a_colour_for_each_side_and_a_key_from_minus_1(faces: Typefaces) -> None:
    grid = next(one for one in one_of_each() if isinstance(one, TokenGrid))
    both = replace(grid, values=np.where(np.isnan(grid.values), np.nan, 2 * grid.values - 1))
    both.values[0, :2] = -1, 1
    plain, diverging = (draw_figure(replace(both, scale=scale), faces).svg() for scale in ("sequential", "diverging"))
    assert PAPER.diverging[0] in diverging
    assert PAPER.diverging[0] not in plain
    assert PAPER.diverging[-1] in diverging
