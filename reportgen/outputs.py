"""From a bundle to what people look at: figures drawn once, then the page, the PDF and the figure files."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reportgen.errors import ReportgenError
from reportgen.figures.describe import Figure, texts
from reportgen.figures.style import model_styles
from reportgen.registry import find
from reportgen.report.drawn import Drawn
from reportgen.store import Bundle

if TYPE_CHECKING:
    from reportgen.figures.draw import Drawing, SvgText

FORMATS = ("html", "pdf", "figures")
HTML, PDF, FIGURES = "report.html", "report.pdf", "figures"
Progress = Callable[[str], None]


@dataclass(frozen=True)
class DrawnFigure:
    """A figure of a bundle, described and drawn."""

    probe_id: str
    stem: str
    description: Figure
    drawing: "Drawing"


def write_outputs(
    bundle: Bundle, folder: Path, formats: Sequence[str], progress: Progress = lambda line: None, *, stamp: str = ""
) -> list[str]:
    """Makes the wanted outputs of a bundle in a folder, and returns their names relative to it.

    The PDF is left out, and its reason told, where the machine lacks Pango.
    """
    figures = list(draw_figures(bundle))
    progress(f"{len(figures)} figures drawn")
    written: list[str] = []
    if "figures" in formats:
        written += _write_figures(figures, folder)
        progress("figures written")
    if "html" in formats or "pdf" in formats:
        written += _write_report(bundle, figures, folder, formats, progress, stamp)
    return written


def draw_figures(bundle: Bundle) -> Iterator[DrawnFigure]:
    """Every figure of every probe, in the report's order."""
    from reportgen.figures.draw import draw
    from reportgen.figures.fonts import typefaces

    described = [(probe_id, figure) for probe_id in bundle.outcomes for figure in describe(bundle, probe_id)]
    faces = typefaces(set(itertools.chain.from_iterable(text for _, figure in described for text in texts(figure))))
    styles = model_styles(list(bundle.models))
    stems: Counter[str] = Counter()
    for probe_id, figure in described:
        stem = f"{probe_id}-{'+'.join(figure.subject)}-{figure.name}"
        stems[stem] += 1
        if stems[stem] > 1:  # ids hold hyphens too: a-b of c and a of b-c would be one file
            stem = f"{stem}-{stems[stem]}"
        yield DrawnFigure(probe_id, stem, figure, draw(figure, typefaces=faces, styles=styles))


def describe(bundle: Bundle, probe_id: str) -> list[Figure]:
    """The figures of one probe; none where nothing was measured, or its probe is not installed."""
    section = bundle.section(probe_id)
    names = dict.fromkeys(outcome.probe for outcome in section.ok().values())
    try:
        return [figure for name in names for figure in find(name).figures(section)]
    except ReportgenError:
        return []


def unshowable(bundle: Bundle) -> dict[str, str]:
    """Probe id -> why its numbers cannot be shown, where its figures or its sentence raise."""
    found = {}
    for probe_id in bundle.outcomes:
        section = bundle.section(probe_id)
        try:
            describe(bundle, probe_id)
            for name in {outcome.probe for outcome in section.ok().values()}:
                find(name).statement(section)
        except Exception as error:  # a probe may raise anything; it is a failed card, and the others are shown
            found[probe_id] = f"measured, but it cannot be shown: {type(error).__name__}: {error}"
    return found


def _write_figures(figures: Sequence[DrawnFigure], folder: Path) -> list[str]:
    (folder / FIGURES).mkdir(parents=True, exist_ok=True)
    written = []
    for figure in figures:
        for extension, content in (
            ("svg", figure.drawing.svg().encode()),
            ("png", figure.drawing.png()),
            ("pdf", figure.drawing.pdf()),
        ):
            name = f"{FIGURES}/{figure.stem}.{extension}"
            (folder / name).write_bytes(content)
            written.append(name)
    return written


def _write_report(
    bundle: Bundle, figures: Sequence[DrawnFigure], folder: Path, formats: Sequence[str], progress: Progress, stamp: str
) -> list[str]:
    from reportgen.report import document, page

    written = []
    if "html" in formats:
        (folder / HTML).write_text(page.html(bundle, _shown(figures, "characters"), stamp=stamp), encoding="utf-8")
        written.append(HTML)
        progress(f"{HTML} written")
    if "pdf" in formats:
        missing = document.available()
        if missing is None:
            document.pdf(page.paper(bundle, _shown(figures, "simple characters"), stamp=stamp), folder / PDF)
            written.append(PDF)
            progress(f"{PDF} written")
        else:
            progress(f"{PDF} left out: {missing}")
    return written


def _shown(figures: Sequence[DrawnFigure], text: "SvgText") -> dict[str, list[Drawn]]:
    """Probe id -> its figures for a page."""
    drawings: dict[str, list[Drawn]] = {}
    for figure in figures:
        shown = Drawn(figure.description, figure.stem, figure.drawing.svg(text))
        drawings.setdefault(figure.probe_id, []).append(shown)
    return drawings


def is_output_of(name: str, formats: Sequence[str]) -> bool:
    """Whether a bundle's file is what one of these formats makes."""
    made = {"html": name == HTML, "pdf": name == PDF, "figures": name.startswith(f"{FIGURES}/")}
    return any(made[format] for format in formats)
