"""From a bundle to what people look at: figures drawn once, then the page, the PDF and the figure files."""

import gc
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reportgen.errors import ReportgenError
from reportgen.figures.describe import Figure, texts
from reportgen.figures.style import model_styles
from reportgen.probes.base import Probe, Section
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


@dataclass(frozen=True)
class Descriptions:
    """What a bundle's probes show, asked once: the drawing and the question whether they can be shown use the same."""

    figures: Mapping[str, Sequence[Figure]]
    """Probe id -> its figures, in the report's order; none of a probe that failed here or is not installed."""
    failures: Mapping[str, Exception]
    """Probe id -> what its figures or its sentence raise."""

    @property
    def reasons(self) -> dict[str, str]:
        """Probe id -> why its numbers cannot be shown, for its card."""
        return {
            probe_id: f"measured, but it cannot be shown: {type(error).__name__}: {error}"
            for probe_id, error in self.failures.items()
        }


def write_outputs(
    bundle: Bundle,
    folder: Path,
    formats: Sequence[str],
    progress: Progress = lambda line: None,
    *,
    stamp: str = "",
    described: Descriptions | None = None,
) -> list[str]:
    """Makes the wanted outputs of a bundle in a folder, and returns their names relative to it.

    The PDF is left out, and its reason told, where the machine lacks Pango. `described` is what `describe_all` found
    in this bundle, of which the figures alone are looked at; without it, the first failure is raised.
    """
    from reportgen.report import document, page

    with ExitStack() as processes:
        missing = document.available() if "pdf" in formats else None
        printer = None
        if "pdf" in formats and missing is None:
            # First of all: it loads WeasyPrint while figures are drawn, and prints while they are written.
            printer = processes.enter_context(document.Printer(folder / PDF))
        kept = "figures" in formats
        with _uncollected():
            figures = list(draw_figures(bundle, described))
            progress(f"{len(figures)} figures drawn")
            if printer is not None:
                shown = _shown(figures, "simple characters")
                printer.begin(page.paper(bundle, shown, stamp=stamp, figures_beside=kept))
        written: list[str] = []
        if kept:
            written += _write_figures(figures, folder)
            progress("figures written")
        if "html" in formats:
            html = page.html(bundle, _shown(figures, "characters"), stamp=stamp, figures_beside=kept)
            (folder / HTML).write_text(html, encoding="utf-8")
            written.append(HTML)
            progress(f"{HTML} written")
        if printer is not None:
            try:
                printer.finish()
            except document.Unavailable as unavailable:
                missing = str(unavailable)
            else:
                written.append(PDF)
                progress(f"{PDF} written")
        if missing is not None:
            progress(f"{PDF} left out: {missing}")
    return written


def draw_figures(bundle: Bundle, described: Descriptions | None = None) -> Iterator[DrawnFigure]:
    """Every figure of every probe, in the report's order."""
    from reportgen.figures.draw import draw
    from reportgen.figures.fonts import typefaces

    figures = (described if described is not None else _whole(describe_all(bundle))).figures
    faces = typefaces({text for of_probe in figures.values() for figure in of_probe for text in texts(figure)})
    styles = model_styles(list(bundle.models))
    stems: Counter[str] = Counter()
    for probe_id, figure in ((probe_id, figure) for probe_id, of_probe in figures.items() for figure in of_probe):
        stem = f"{probe_id}-{'+'.join(figure.subject)}-{figure.name}"
        stems[stem] += 1
        if stems[stem] > 1:  # ids hold hyphens too: a-b of c and a of b-c would be one file
            stem = f"{stem}-{stems[stem]}"
        yield DrawnFigure(probe_id, stem, figure, draw(figure, typefaces=faces, styles=styles))


def describe_all(bundle: Bundle) -> Descriptions:
    """The figures of every probe, and what its figures or its sentence raise where it cannot be shown."""
    figures: dict[str, Sequence[Figure]] = {}
    failures: dict[str, Exception] = {}
    for probe_id in bundle.outcomes:
        section = bundle.section(probe_id)
        try:
            described = describe(bundle, probe_id)
            for probe in _probes(section):
                probe.statement(section)
        except Exception as error:  # a probe may raise anything; it is a failed card, and the others are shown
            failures[probe_id] = error
        else:
            figures[probe_id] = described
    return Descriptions(figures, failures)


def describe(bundle: Bundle, probe_id: str) -> list[Figure]:
    """The figures of one probe; none where nothing was measured, or its probe is not installed."""
    section = bundle.section(probe_id)
    return [figure for probe in _probes(section) for figure in probe.figures(section)]


def _probes(section: Section) -> list[Probe[Any, Any]]:
    """Those of the outcomes that hold numbers; none where one is not installed: then the numbers are shown alone."""
    try:
        return [find(name) for name in dict.fromkeys(outcome.probe for outcome in section.ok().values())]
    except ReportgenError:
        return []


def unshowable(bundle: Bundle) -> dict[str, str]:
    """Probe id -> why its numbers cannot be shown, where its figures or its sentence raise."""
    return describe_all(bundle).reasons


@contextmanager
def _uncollected() -> Iterator[None]:
    """No search for unreachable objects: the figures' own all live until they are written, and are very many."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _whole(described: Descriptions) -> Descriptions:
    for error in described.failures.values():
        raise error
    return described


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
