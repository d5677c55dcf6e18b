"""The gallery as a page, and the files that it shows and links to."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from docs.generate.gallery import MOST_BYTES, GalleryFigure, GalleryReport
from docs.generate.markdown import escape, join_blocks, keep_code, write_block
from reportgen.language import list_items
from reportgen.numerals import write_number

FOLDER = "gallery"
"""Of the documentation."""
CALLED = {"html": "page", "pdf": "PDF", "slides": "slides", "pptx": "slides to edit"}
"""Format -> what a link to it says."""
EMPTY = "No report is in this copy of the documentation: `make gallery` had not run before it was built."


def write_gallery(reports: Sequence[GalleryReport], chosen: Collection[Path]) -> str:
    """Each report with a few of its figures, and links to those of its files that were chosen."""
    if not reports:
        return EMPTY
    return join_blocks(block for report in reports for block in _write_report(report, chosen))


def list_gallery_files(
    reports: Sequence[GalleryReport], chosen: Collection[Path]
) -> Iterator[tuple[str, Path | bytes]]:
    """Path in the documentation and content, or the file that holds it, of all that the page shows and links to."""
    for report in reports:
        for figure in report.figures:
            yield f"{FOLDER}/{_picture_path(report, figure)}", figure.thumbnail
        for file in report.outputs.values():
            if file in chosen:
                yield f"{FOLDER}/{report.name}/{file.name}", file


def _write_report(report: GalleryReport, chosen: Collection[Path]) -> Iterator[str]:
    yield f"## {escape(report.title)}"
    yield keep_code(report.told)
    yield " · ".join([*_link_outputs(report, chosen), f"[battery](../reference/batteries.md#{report.name})"])
    yield _tell_left_out(report, chosen)
    for figure in report.figures:
        yield from _write_figure(report, figure, report.outputs.get("html") in chosen)


def _link_outputs(report: GalleryReport, chosen: Collection[Path]) -> Iterator[str]:
    for form, file in report.outputs.items():
        if file in chosen:
            yield f"[{CALLED[form]}]({report.name}/{file.name}) ({_write_size(file.stat().st_size)})"


def _tell_left_out(report: GalleryReport, chosen: Collection[Path]) -> str:
    left = [CALLED[form] for form, file in report.outputs.items() if file not in chosen]
    if not left:
        return ""
    return f"Left out, as the files of the gallery may take {_write_size(MOST_BYTES)} together: {list_items(left)}."


def _write_figure(report: GalleryReport, figure: GalleryFigure, linked: bool) -> Iterator[str]:
    """The picture and what it found beside the battery that makes it; it leads to itself in the report's page."""
    picture = f"![{escape(figure.alt)}]({_picture_path(report, figure)})"
    place = f"#figure-{figure.stem}" if figure.anchored else ""
    yield '<div class="made" markdown>\n<div markdown>'
    yield f"[{picture}]({report.name}/report.html{place})" if linked else picture
    yield escape(figure.statement)
    yield "</div>"
    yield write_block(figure.quoted, "yaml")
    yield "</div>"


def _picture_path(report: GalleryReport, figure: GalleryFigure) -> str:
    """Beside the page; in a folder of figures, which have a light ground on a dark page."""
    return f"{report.name}/figures/{figure.stem}.png"


def _write_size(size: int) -> str:
    return f"{write_number(size / 1e6, 2)} MB"
