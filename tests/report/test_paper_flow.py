from dataclasses import replace

import pytest

from reportgen.look.fonts import load_typefaces
from reportgen.report.content.paper_flow import PAGE, flow_sections
from reportgen.report.content.paper_tables import paper_columns, paper_sheets
from reportgen.report.content.sections import Row, build_view
from reportgen.report.content.sheets import Entry, Sheet, make_sheet
from reportgen.results.quantities import Table
from tests.report.fakes import curves, fake_bundle, make_page_figure
from tests.report.test_document import weasyprint_loads

INCH = 72.0


def section(*sizes, together=1):
    """One of figures so many inches wide and high, so many of them a row."""
    figures = [make_page_figure("p", curves(("a",), f"n{at}"), w * INCH, h * INCH) for at, (w, h) in enumerate(sizes)]
    rows = [Row(figures[at : at + together]) for at in range(0, len(figures), together)]
    return replace(build_view(fake_bundle().section("apple"), "", (), 3), rows=rows)


def names(lines):
    return [[figure.description.name for figure in line.figures] for line in lines]


def test_words_stay_below_figures_that_fit_one_page():
    found = flow_sections(section((5, 2), (5, 2)))
    assert (names(found.first), names(found.read), names(found.computed)) == ([["n0"], ["n1"]], [], [])


def test_words_fill_what_a_figure_that_does_not_fit_leaves_empty():
    found = flow_sections(section((4, 6), (4, 6), (4, 6)))
    assert names(found.first) == [["n0"]]
    assert names(found.read) == [["n1"]]
    assert names(found.computed) == [["n2"]]


def test_words_do_not_come_before_the_first_figure():
    tall = flow_sections(section((4, 7.8)))
    assert names(tall.first) == [["n0"]]


def test_a_row_is_broken_where_a_page_is_no_wider_and_keeps_its_scale():
    pair = flow_sections(section((3, 2), (3, 2), together=2))
    assert names(pair.first) == [["n0", "n1"]]
    stacked = flow_sections(section((3, 2), (5, 2), together=2))
    assert names(stacked.first) == [["n0"], ["n1"]]
    assert {line.paper_scale for line in stacked.first} == {0.85}
    assert all(line.height < PAGE for line in stacked.first)


def test_every_figure_and_absence_has_its_place():
    many = flow_sections(section(*[(4, 3)] * 9, together=2))
    shown = [*many.first, *many.read, *many.computed]
    assert sorted(name for line in names(shown) for name in line) == sorted(f"n{at}" for at in range(9))
    whole = fake_bundle().section("map")
    missing = flow_sections(build_view(whole, "", [make_page_figure("map", curves(("llama",), "x"))], 3))
    assert [absence.subject for line in missing.first for absence in line.absences] == ["gemma"]


def sheet(columns, characters=8):
    row = [Entry(f"{n}".ljust(characters, "x"), "text") for n in range(columns)]
    return Sheet(tuple((f"c{n}", "text") for n in range(columns)), [row], 5)


def test_a_table_is_upright_then_landscape_then_in_groups_of_columns():
    (narrow,) = paper_sheets(sheet(5))
    assert not narrow.landscape
    (wide,) = paper_sheets(sheet(18))
    assert wide.landscape
    parts = paper_sheets(sheet(50))
    assert all(part.landscape for part in parts)
    heads = [[name for name, _ in part.heads] for part in parts]
    assert all(head[0] == "c0" for head in heads)
    assert [name for head in heads for name in head[1:]] == [f"c{n}" for n in range(1, 50)]
    assert [part.left_out for part in parts[-2:]] == [0, 4], "told once, below the last part"


def test_columns_beyond_what_a_page_holds_stand_in_even_parts():
    assert paper_columns(3, 50, 40) == [slice(0, 3)]
    assert paper_columns(4, 50, 40) == [slice(0, 2), slice(2, 4)]
    assert paper_columns(8, 50, 40) == [slice(0, 2), slice(2, 5), slice(5, 8)]
    assert paper_columns(2, 50, 300) == [slice(0, 1), slice(1, 2)]
    assert paper_columns(0, 50, 40) == [slice(0, 0)]
    assert paper_columns(40, 50, 40, "page") == [slice(0, 40)]


@pytest.mark.parametrize(
    ("cells", "roomy"), [(["a" * 60], True), (["W" * 120], False), (["天" * 60], False), (["a b " * 40], False)]
)
def test_a_table_is_roomy_where_no_cell_can_need_a_second_line(cells, roomy):
    (part,) = paper_sheets(make_sheet(Table(("text",), [cells]), most=12))
    assert part.roomy is roomy


@pytest.mark.skipif(not weasyprint_loads(), reason="WeasyPrint or Pango is missing")
def test_a_roomy_table_is_printed_the_same_as_if_every_word_could_be_broken():
    """Of one long word of capitals: what is told by counting holds for it too."""
    from weasyprint import HTML

    capitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ" * 10
    longest = next(length for length in range(200, 0, -1) if table_of(capitals[:length]).roomy)
    css = f"{load_typefaces([capitals]).css(packed=False)} @page{{size:A4;margin:18mm}} td{{font:7pt 'reportgen Sans'}}"
    found = []
    for wrap in ("anywhere", "normal"):
        table = f"<table style='overflow-wrap:{wrap}'><tr><td>{capitals[:longest]}</td></tr></table>"
        (page,) = HTML(string=f"<html lang=en><style>{css}</style>{table}").render().pages
        found.append([(box.position_x, box.position_y, box.width) for box in page._page_box.descendants()])
    assert found[0] == found[1]


def table_of(text):
    (part,) = paper_sheets(make_sheet(Table(("text",), [[text]]), most=12))
    return part
