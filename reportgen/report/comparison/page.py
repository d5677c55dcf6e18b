"""A comparison as comparison.json, as one HTML file that asks the network for nothing, and as a PDF."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from reportgen.baseline.compare import Comparison
from reportgen.baseline.record import record_bytes
from reportgen.numerals import write_count
from reportgen.report import document
from reportgen.report.comparison.pictures import MOST_PICTURED, Picture, draw_pictures
from reportgen.report.comparison.view import ListLimits, View, build_view, list_loud_sections
from reportgen.report.content.drawn import PageFigure
from reportgen.report.content.figure_data import add_data, find_hidden_texts
from reportgen.report.templates.templating import fill_page

if TYPE_CHECKING:
    from reportgen.figures.draw import SvgText

RECORD, HTML, PDF = "comparison.json", "comparison.html", "comparison.pdf"
PICTURES_BUDGET = 8_000_000
"""Characters of SVG in a page, which shall stay below 10 MB."""
MOST_PRINTED = 12
"""Sections whose pictures are printed."""
ON_PAGE, ON_PAPER = ListLimits(rows=60, sections=200), ListLimits(rows=20, sections=60)
Progress = Callable[[str], None]
Target = Literal["page", "paper"]
Rows = Mapping[tuple[str, str], Sequence[Sequence[PageFigure]]]


def write_comparison(
    comparison: Comparison,
    folder: Path,
    formats: Sequence[str] = ("html", "pdf"),
    progress: Progress = lambda line: None,
) -> list[str]:
    """Writes comparison.json and the wanted pages into a folder that is there; returns their names.

    The PDF is left out, and its reason told, where the machine lacks Pango.

    Raises:
        OSError: a file cannot be written.
        OutputError: the PDF cannot be written.
    """
    (folder / RECORD).write_bytes(record_bytes(comparison))
    progress(f"{RECORD} written")
    made = [RECORD]
    if not formats:
        return made
    with ExitStack() as processes:
        # First of all: it loads WeasyPrint while figures are drawn, and prints while the page is written.
        printer = processes.enter_context(document.Printer(folder / PDF)) if "pdf" in formats else None
        pictured = draw_pictures(comparison, list_loud_sections(comparison))
        if printer is not None:
            printer.begin(render_paper(comparison, pictured))
        if "html" in formats:
            (folder / HTML).write_bytes(render_page(comparison, pictured).encode())
            progress(f"{HTML} written")
            made.append(HTML)
        if printer is not None:
            try:
                printer.finish()
                progress(f"{PDF} written")
                made.append(PDF)
            except document.PrinterMissing as missing:
                progress(f"{PDF} left out: {missing}")
    return made


def render_page(comparison: Comparison, pictured: Sequence[Picture], budget: int = PICTURES_BUDGET) -> str:
    """comparison.html; pictures beyond the budget are left out, and the page says so.

    With a picture come the numbers that it shows, as far as what pictures leave of the budget goes.
    """
    rows, left_out = _fit_pictures(pictured, "characters", budget)
    spent = sum(len(one.svg) for one in _figures(rows))
    return _fill_comparison("page", comparison, _with_data(rows, budget - spent), left_out, ON_PAGE)


def render_paper(comparison: Comparison, pictured: Sequence[Picture]) -> str:
    """The HTML that `document.print_pdf` prints: nothing folded, tables short, figures in millimetres."""
    printed = list(dict.fromkeys(picture.path for picture in pictured))[:MOST_PRINTED]
    rows, left_out = _fit_pictures(
        [one for one in pictured if one.path in printed], "simple characters", PICTURES_BUDGET
    )
    return _fill_comparison("paper", comparison, rows, left_out, ON_PAPER)


def _fit_pictures(pictured: Sequence[Picture], text: "SvgText", budget: int) -> tuple[Rows, int]:
    """(probe id, subject) -> rows of figures, as far as the budget goes, and how many rows are left out."""
    found: dict[tuple[str, str], list[list[PageFigure]]] = {}
    left_out = 0
    for picture in pictured:
        drawn = picture.make_page_figures(text)
        size = sum(len(figure.svg) for figure in drawn)
        if size > budget:
            left_out += 1
            continue
        budget -= size
        found.setdefault(picture.path, []).append(drawn)
    return found, left_out


def _with_data(rows: Rows, budget: int) -> Rows:
    """The same figures, the first of them with their data until the budget is spent."""
    found: dict[tuple[str, str], list[list[PageFigure]]] = {}
    for path, of_path in rows.items():
        found[path] = []
        for figures in of_path:
            carried = [add_data(one) for one in figures]
            size = sum(len(one.data) for one in carried)
            found[path].append(list(figures) if size > budget else carried)
            budget -= min(size, budget)
    return found


def _figures(rows: Rows) -> Iterator[PageFigure]:
    return (one for of_path in rows.values() for figures in of_path for one in figures)


def _fill_comparison(target: Target, comparison: Comparison, rows: Rows, left_out: int, most: ListLimits) -> str:
    models = list({**comparison.after.models, **comparison.before.models})
    context: dict[str, Any] = {
        "target": target,
        "title": f"{comparison.title} – comparison",
        "view": build_view(comparison, rows, most),
        "notes": [],
    }
    context["notes"] = _notes(context["view"], len(rows), left_out)
    packed = find_hidden_texts({"": list(_figures(rows))})
    return fill_page(
        context, body="comparison.html.j2", shell=f"comparison_{target}.html.j2", models=models, packed=packed
    )


def _notes(view: View, pictured: int, left_out: int) -> list[str]:
    """What the page leaves out."""
    found = []
    if pictured in (MOST_PICTURED, MOST_PRINTED) and len(view.sections) > pictured:
        found.append(f"Pictures are drawn for the worst {pictured} sections only.")
    if left_out:
        found.append(f"{left_out} more pictures are left out, as the page would grow too large.")
    if view.sections_left_out:
        found.append(
            f"{write_count(view.sections_left_out)} more sections are left out; comparison.json has all of them."
        )
    return found
