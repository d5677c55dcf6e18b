import re
from dataclasses import replace

import numpy as np
import pytest

from reportgen.report import page
from reportgen.report.content.budget import FEW_ROWS, ROWS, Load, fit_page
from reportgen.report.content.drawn import PageFigure
from reportgen.report.content.figure_data import MOST_VALUES, add_data
from tests.report.fakes import add_thumbnails, curves, make_grid, make_page_figure, svg


def of_sizes(*sizes: tuple[int, int]) -> dict[str, list[PageFigure]]:
    """Figures of so many characters of SVG and of data."""
    made = [
        PageFigure(curves(("a",), f"f{at}"), f"f{at}", "s" * picture, data="d" * data)
        for at, (picture, data) in enumerate(sizes)
    ]
    return {"p": made}


def fill(load: Load) -> str:
    """A page of nothing but what may be left out: rows are 100 bytes each."""
    shown = [one for one in load.drawings["p"] if not one.left_out]
    return "r" * 100 * load.rows + "".join(one.svg + one.data for one in shown)


def count_left(load_of: str) -> dict[str, int]:
    return {letter: load_of.count(letter) for letter in "rsd"}


SIZES = ((3000, 5000), (9000, 2000), (2000, 8000))
ALL = 100 * ROWS + 14_000 + 15_000


def test_what_fits_is_whole():
    assert len(fit_page(fill, of_sizes(*SIZES), ALL)) == ALL


def test_the_data_of_the_largest_go_first_and_no_more_of_them_than_must():
    assert count_left(fit_page(fill, of_sizes(*SIZES), ALL - 1)) == {"r": 6000, "s": 14_000, "d": 7000}
    assert count_left(fit_page(fill, of_sizes(*SIZES), ALL - 8000)) == {"r": 6000, "s": 14_000, "d": 2000}


def test_then_tables_become_short_and_then_the_largest_pictures_go():
    without_data = ALL - 15_000
    assert count_left(fit_page(fill, of_sizes(*SIZES), without_data - 1)) == {"r": 100 * FEW_ROWS, "s": 14_000, "d": 0}
    short = without_data - 100 * (ROWS - FEW_ROWS)
    assert count_left(fit_page(fill, of_sizes(*SIZES), short - 1)) == {"r": 100 * FEW_ROWS, "s": 5000, "d": 0}
    assert count_left(fit_page(fill, of_sizes(*SIZES), 0)) == {"r": 100 * FEW_ROWS, "s": 0, "d": 0}


@pytest.fixture
def large(drawings):
    """The map's pictures make up most of the page."""
    figures = [
        make_page_figure("map", curves(("llama",), "layers")),
        make_page_figure("map", curves(("llama",), "sweep")),
    ]
    return {**drawings, "map": [replace(one, svg=svg(400, 300, paths=4000, title=one.file_stem)) for one in figures]}


def test_a_page_that_is_too_large_says_at_its_top_what_was_left_out_and_where_it_is(bundle, large):
    whole = page.render_page(bundle, large)
    assert 'class="note omitted"' not in whole
    most = len(whole.encode()) - 300_000
    html = page.render_page(bundle, large, budget=most)
    assert len(html.encode()) <= most
    note = re.search(r'<p class="note omitted">(.*?)</p>', html, re.DOTALL)[1]
    assert "rows of long tables, which are in results.json" in note
    assert "1 picture, with a note on where to find it" in note
    assert html.index('class="note omitted"') < html.index('class="contents"')
    assert "This picture is too large for the page. Run <code>reportgen figures .</code>" in html
    beside = page.render_page(bundle, large, budget=most, has_figure_files=True)
    assert re.search(r'It is in the file <a href="figures/map-llama-(layers|sweep).svg">', beside)
    assert html == page.render_page(bundle, large, budget=most)


def test_a_picture_that_was_left_out_has_no_thumbnail_either(bundle, large):
    assert 'class="thumbnail' in page.render_page(bundle, add_thumbnails(large))
    html = page.render_page(bundle, add_thumbnails(large), budget=0)
    assert 'class="thumbnail' not in html
    assert not re.search(r"<figure[^>]*>\s*<div", html)
    assert 'id="figure-map-llama-layers"' in html


def test_a_figure_of_very_many_values_carries_no_data():
    huge = make_page_figure("heads", replace(make_grid("a", "g"), values=np.zeros((MOST_VALUES, 2))))
    assert add_data(huge) == replace(huge, data_left_out=True)
