import base64
from dataclasses import replace

import pytest

from reportgen.look import model_styles as style
from reportgen.report.content.drawn import PageFigure
from reportgen.report.content.sections import Row, make_rows
from tests.report.fakes import curves, make_grid, make_page_figure, svg

INCH = 72.0


def test_its_size_on_paper_is_its_own_or_what_fits():
    assert make_page_figure("p", curves(("a",), "x"), 2 * INCH, INCH).millimetres() == (50.8, 25.4)
    assert make_page_figure("p", curves(("a",), "x"), 8 * INCH, 4 * INCH).millimetres() == (174.0, 87.0)
    assert make_page_figure("p", curves(("a",), "x"), 4 * INCH, 16 * INCH).millimetres() == (50.0, 200.0)
    wide = make_page_figure("p", curves(("a",), "x"), 20 * INCH, 5 * INCH)
    assert wide.landscape
    assert wide.millimetres() == (261.0, 65.25)


def test_a_picture_without_a_size_is_refused():
    with pytest.raises(ValueError, match="stem: an SVG without a viewBox"):
        _ = PageFigure(curves(("a",), "x"), "stem", "<svg></svg>").size


def test_the_page_gets_variables_and_paper_the_inks():
    figure = make_page_figure("p", curves(("a",), "x"))
    assert style.INK not in figure.inline()
    assert "stroke: var(--ink)" in figure.inline()
    assert figure.inline().startswith("<svg ")
    printed = base64.b64decode(figure.data_uri().partition(",")[2]).decode()
    assert printed == svg(396.0, 260.0, title="p-a-x").partition("\n")[2].partition("\n")[2]


def test_a_text_that_says_a_colour_stays():
    element = f'<svg viewBox="0 0 1 1"><text style="fill: {style.INK.upper()}">{style.INK}</text></svg>'
    assert PageFigure(curves(("a",), "x"), "stem", element).inline() == (
        f'<svg viewBox="0 0 1 1"><text style="fill: var(--ink)">{style.INK}</text></svg>'
    )


@pytest.mark.parametrize(("width", "scale"), [(80.0, 1.0), (90.0, 86 / 90), (101.0, 86 / 101), (102.0, 0.85)])
def test_a_little_smaller_on_paper_to_stand_side_by_side_or_three_on_a_page(width, scale):
    figures = [make_page_figure("p", curves((model,), "x"), width / 25.4 * INCH) for model in "ab"]
    assert Row(figures).paper_scale == pytest.approx(scale)
    assert Row(figures).paper_scale * 8.5 > 7, "points of the smallest text"


def test_figures_of_one_name_stand_in_one_row():
    made = [make_page_figure("p", make_grid(model, name)) for model in "ab" for name in ("first", "second")]
    found = make_rows(["a", "b"], made, [])
    assert [[figure.file_stem for figure in row.figures] for row in found] == [
        ["p-a-first", "p-b-first"],
        ["p-a-second", "p-b-second"],
    ]


def test_the_figures_of_a_single_model_share_a_row():
    made = [make_page_figure("p", make_grid("a", name)) for name in ("first", "second", "third")]
    assert [len(row.figures) for row in make_rows(["a"], made, [])] == [3]


def test_a_thumbnail_says_and_does_nothing_by_itself():
    small = (
        '<svg data-kind="Curves" data-frames="[&quot;x&quot;]" role="img" aria-labelledby="a b" viewBox="0 0 1 1">'
        f'<title id="a">T</title>\n<desc id="b">D</desc>\n<path style="stroke: {style.INK}"/></svg>'
    )
    figure = replace(make_page_figure("p", curves(("a",), "x")), thumbnail=small)
    assert figure.inline_thumbnail() == (
        '<svg aria-hidden="true" focusable="false" viewBox="0 0 1 1"><path style="stroke: var(--ink)"/></svg>'
    )
