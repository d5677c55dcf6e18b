"""The check of figures finds what is planted, and nothing where nothing is."""

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from reportgen.figures.describe import Curve, Curves, Figure, Maps, Panel, TokenGrid, list_texts
from reportgen.figures.draw import Drawing, curves, draw
from reportgen.figures.draw.canvas import Canvas
from reportgen.figures.draw.drawing import matplotlib_settings
from reportgen.figures.draw.lettering import Lettering
from reportgen.figures.draw.look import Look
from reportgen.figures.remarks import list_remarks
from reportgen.language import use_language
from reportgen.look.fonts import Typefaces, load_typefaces
from reportgen.look.model_styles import model_styles
from reportgen.look.theme import BUILT_IN, PAPER
from reportgen.report.slides.slide import Deck, Slide
from tests.figures.figure_samples import HOSTILE, one_of_each
from tests.figures_checked.boxes import find_misplaced
from tests.figures_checked.flat import find_flat
from tests.figures_checked.seen import SeenFigure, measure_figure
from tests.figures_checked.slides import find_faults_of_slides, find_undrawn_layers, is_unnamed
from tests.report.deck_samples import make_drawn
from tests.report.fakes import fake_bundle, make_grid

STYLES = model_styles(["llama", "gemma"])
FIGURE = one_of_each()[0]
Plant = Callable[[Canvas], None]


@pytest.fixture(scope="module")
def latin() -> Typefaces:
    return load_typefaces("".join(map(chr, range(32, 127))))


def see(figure: Figure, faces: Typefaces, theme: str = "paper") -> SeenFigure:
    drawing = draw(figure, typefaces=faces, styles=STYLES, theme=BUILT_IN[theme])
    return measure_figure(figure, drawing, BUILT_IN[theme], faces)


@pytest.mark.parametrize(("theme", "least"), [("paper", 30), ("hall", 15)])
def test_labels_of_a_crowded_map_are_neither_over_each_other_nor_cut_off(
    latin: Typefaces, theme: str, least: int
) -> None:
    """Cities as maps have them: in three heaps, some in one place, some at the edge."""
    draw_numbers = np.random.default_rng(0)
    names = ["Buenos Aires", "Rio", "Paris", "Ho Chi Minh City", "Johannesburg", "Oslo"] * 9
    heaps = np.array([[0.0, 0], [5, 0], [5.2, 4]])[np.arange(54) % 3]
    points = heaps + draw_numbers.normal(0, [[0.15, 0.05]], (54, 2))
    panel = Panel(title="layer 3", points=points, x_label="component 1", y_label="component 2")
    groups = ["a", "b", "c"] * 18
    maps = Maps(name="m", subject=(), title="t", alt="a", labels=names, groups=groups, panels=[panel, panel, panel])
    seen = see(maps, latin, theme)
    assert list(find_misplaced(seen)) == []
    named = [text.text for text in seen.texts if text.text in names]
    assert len(named) > least


def see_planted(plant: Plant, faces: Typefaces, figure: Figure = FIGURE) -> SeenFigure:
    """A sheet of 200 x 100 points on which something was written."""
    with matplotlib_settings(faces):
        canvas = Canvas(200, 100, Look(PAPER, Lettering(faces), STYLES))
        plant(canvas)
    return measure_figure(figure, Drawing(figure, "Curves", canvas, faces), PAPER, faces)


def write_apart(canvas: Canvas) -> None:
    canvas.write(0, 6, "one")
    canvas.write(0, 18, "below it")
    canvas.write(60, 6, "next to it")
    canvas.write(190, 60, "along", rotation=90)


def write_beyond_the_right(canvas: Canvas) -> None:
    canvas.write(180, 6, "a label that goes on")


def write_beyond_the_top(canvas: Canvas) -> None:
    canvas.write(20, -3, "high")


def write_upright_beyond_the_top(canvas: Canvas) -> None:
    canvas.write(20, 20, "a long word", rotation=90)


def write_twice(canvas: Canvas) -> None:
    canvas.write(0, 6, "some words")
    canvas.write(30, 8, "other words")


def write_across(canvas: Canvas) -> None:
    write_along(canvas)
    canvas.write(150, 30, "crossing", rotation=90)


def write_along(canvas: Canvas) -> None:
    canvas.write(100, 15, "a name that is long")


def write_into_the_next_panel(canvas: Canvas) -> None:
    canvas.frame((0, 0, 90, 100), panel=0)
    canvas.frame((100, 0, 190, 100), panel=1)
    canvas.write(60, 50, "a name of the first")


def write_into_the_cells(canvas: Canvas) -> None:
    canvas.frame((50, 0, 190, 100), rows=2, columns=2)
    canvas.write(30, 50, "a row's name")


@pytest.mark.parametrize(
    ("plant", "said"),
    [
        (write_beyond_the_right, "'a label that goes on' is cut off"),
        (write_beyond_the_top, "'high' is cut off"),
        (write_upright_beyond_the_top, "'a long word' is cut off"),
        (write_twice, "'some words' and 'other words' overlap"),
        (write_across, "'a name that is long' and 'crossing' overlap"),
        (write_into_the_next_panel, "'a name of the first' reaches into 2 panels"),
        (write_into_the_cells, '"a row\'s name" reaches over the edge of the cells'),
    ],
)
def test_a_planted_text_is_found(plant: Plant, said: str, latin: Typefaces) -> None:
    found = list(find_misplaced(see_planted(plant, latin)))
    assert [one for one in found if one.startswith(said)] == found
    assert found


@pytest.mark.parametrize("across", ["left", "center", "right"])
@pytest.mark.parametrize("rotation", [0, 90])
@pytest.mark.parametrize("text", ["Egypt", "one", "(fj)"])
def test_the_box_of_a_text_is_where_its_ink_is(text: str, rotation: float, across: str, latin: Typefaces) -> None:
    def write(canvas: Canvas) -> None:
        canvas.write(80, 50, text, rotation=rotation, across=across, size=20)

    with matplotlib_settings(latin):
        canvas = Canvas(200, 100, Look(PAPER, Lettering(latin), STYLES))
        write(canvas)
    ink = np.asarray(Image.open(BytesIO(Drawing(FIGURE, "Curves", canvas, latin).png(dpi=4 * 72))).convert("L")) < 128
    rows, columns = (np.flatnonzero(ink.any(axis=axis)) / 4 for axis in (1, 0))
    (found,) = see_planted(write, latin).texts
    assert found.box == pytest.approx(
        (columns[0], rows[0], columns[-1], rows[-1]), abs=2.4
    )  # E keeps so much free before it


def test_texts_that_stand_apart_are_no_fault(latin: Typefaces) -> None:
    assert list(find_misplaced(see_planted(write_apart, latin))) == []
    assert list(find_misplaced(see_planted(write_along, latin))) == []


def test_a_token_wider_than_its_cell_is_found(latin: Typefaces) -> None:
    grid = next(one for one in one_of_each() if isinstance(one, TokenGrid))

    def write_token(canvas: Canvas, token: str) -> None:
        canvas.frame((0, 0, 200, 100), rows=2, columns=5)
        canvas.write(60, 25, token, mono=True, across="center")

    assert list(find_misplaced(see_planted(lambda canvas: write_token(canvas, "token"), latin, grid))) == []
    (fault,) = find_misplaced(see_planted(lambda canvas: write_token(canvas, "a long token"), latin, grid))
    assert "wider than its cell" in fault


def line(*y: float, **more: object) -> Curves:
    curve = Curve(label="one", x=list(range(len(y))), y=y, model="llama")
    return Curves(name="c", subject=("llama",), title="t", alt="a", x_label="layer", y_label="share", curves=[curve],
                  **more)  # fmt: skip


@pytest.mark.parametrize("language", ["en", "zh-TW", "ar"])
def test_a_flat_panel_that_does_not_say_so_is_found(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    flat = line(0.5, 0.51, 0.5, y_range=(0, 1))
    with use_language(language):
        faces = load_typefaces([*list_texts(flat), *list_remarks()])
        assert list(find_flat(see(flat, faces))) == [], "it says so"
        assert list(find_flat(see(line(0.5, 0.5), faces))) == [], "it says that it is constant"
        assert list(find_flat(see(line(0.5, 0.51, 0.5), faces))) == [], "on its own axis it is not flat"
        assert list(find_flat(see(line(0.5, y_range=(0, 1)), faces))) == [], "a point is no curve"
        monkeypatch.setattr(curves, "_tell_flat", lambda *of: "")
        (fault,) = find_flat(see(flat, faces))
    assert "cover 1% of the axis" in fault


@pytest.mark.parametrize(("theme", "text"), [("paper", HOSTILE), ("slides", HOSTILE), ("slides", "")])
def test_every_kind_of_figure_is_drawn_without_a_fault(text: str, theme: str, faces: Typefaces) -> None:
    found = {
        figure.name: faults
        for figure in one_of_each(text=text)
        if (faults := list(find_misplaced(see(figure, faces, theme))))
    }
    assert found == {}


def slide(title: str, sentence: str, *figures: Figure) -> Slide:
    from reportgen.report.slides.slide import Picture

    return Slide(title, sentence, pictures=[Picture(make_drawn("weather", one), "", (1, 1), 10) for one in figures])


def grid_of(*rows: int) -> TokenGrid:
    return replace(
        make_grid("llama", "grid-0"),
        row_label="layer (0 = embedding), one in 2",
        rows=[str(row) for row in rows],
        columns=["1"],
        texts=[["x"]] * len(rows),
        values=np.ones((len(rows), 1)),
        outlined=np.zeros((len(rows), 1), dtype=bool),
    )


@pytest.mark.parametrize(
    ("sentence", "undrawn"),
    [
        ("It settles at layer 7 of 9.", ["layer 7"]),
        ("From layer 4 on 95% of layers 2 and 6 agree; 13.7% do not.", []),
        ("Layers 4–5 and 8, block 3 and head 6.1 tell it.", ["block 6", "layer 5"]),
        ("Nothing is said of any.", []),
    ],
)
def test_a_layer_that_is_told_of_and_not_drawn_is_found(sentence: str, undrawn: list[str]) -> None:
    found = list(find_undrawn_layers(slide("t", sentence, grid_of(8, 6, 4, 2, 0))))
    assert found == [f"its text names {name}, which is not drawn" for name in undrawn]


def test_titles_alike_and_series_without_a_name_are_found() -> None:
    bundle = fake_bundle()
    numbered = replace(line(0, 1), curves=[Curve(label="0–1 same", x=[0, 1], y=[0, 1], model="llama")])
    named = replace(line(0, 1), curves=[Curve(label="0–1 天氣 | France", x=[0, 1], y=[0, 1], model="llama")])

    def faults(*slides: Slide) -> list[str]:
        return list(find_faults_of_slides(bundle, Deck("d", [], slides, PAPER)))

    assert faults(slide("one", "", named), slide("two", "", named)) == []
    assert faults(slide("one", ""), slide("one", "")) == ["2 slides are called 'one'"]
    assert faults(slide("one", "", numbered)) == [
        "slide 'one': the series '0–1 same' is named by no word of its prompt"
    ]


def test_what_names_a_series() -> None:
    words = {"apple", "fruit", "company"}
    assert is_unnamed("prompt 3", words)
    assert is_unnamed("0–2 different", words)
    assert not is_unnamed("0–2 fruit | company", words)
    assert not is_unnamed("temperature 2", words)
