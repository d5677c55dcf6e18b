"""From a bundle to what people look at: figures drawn once, then the page, the PDF and the figure files."""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from reportgen.bundle_figures import DrawnFigure, describe, draw_figures
from reportgen.figures.kept import Flavour
from reportgen.output_cache import OutputCache
from reportgen.store import Bundle

if TYPE_CHECKING:
    from reportgen.figures.draw import SvgText
    from reportgen.report.drawn import Drawn

FORMATS = ("html", "pdf", "figures")
HTML, PDF, FIGURES = "report.html", "report.pdf", "figures"
FILES: dict[Flavour, str] = {"paths": "svg", "png": "png", "pdf": "pdf"}
"""Flavour of a figure -> how its file ends."""
SHOWN: dict[str, tuple[Flavour, ...]] = {
    "html": ("characters",), "pdf": ("simple characters",), "figures": tuple(FILES)
}  # fmt: skip
"""What a format shows of each figure."""
Progress = Callable[[str], None]


def write_outputs(
    bundle: Bundle,
    folder: Path,
    formats: Sequence[str],
    progress: Progress = lambda line: None,
    *,
    stamp: str = "",
    cache: bool = True,
) -> list[str]:
    """Makes the wanted outputs of a bundle in a folder, and returns their names relative to it.

    The PDF is left out, and its reason told, where the machine lacks Pango. With `cache`, what was made of the same
    numbers before is taken from there, and what is made now is kept.

    Raises:
        Unshowable: the figures or the sentence of some probes raise.
    """
    beside = "figures" in formats or _holds_figures(bundle.path)
    known = OutputCache(bundle, formats, stamp=stamp, figures_beside=beside, used=cache)
    found = known.find()
    if found is not None:
        for name, content in found.items():
            _write(folder, name, content)
        if found:
            progress(f"{', '.join(formats)}: found by an earlier run")
        return list(found)

    from reportgen.report import document, page

    keys: dict[str, str | None] = {}
    pages: list[str] = []
    with ExitStack() as processes:
        # First of all: it loads WeasyPrint while figures are drawn, and prints while they are written.
        printer = processes.enter_context(document.Printer(folder / PDF)) if "pdf" in formats else None
        described = describe(bundle)
        with _uncollected():
            figures = list(draw_figures(bundle, described, cache=cache))
            if formats:
                progress(_drawn(figures, [flavour for format in formats for flavour in SHOWN[format]]))
            if printer is not None:
                shown = _shown(figures, "simple characters")
                printer.begin(page.paper(bundle, shown, stamp=stamp, figures_beside=beside))
        if "figures" in formats:
            keys = _write_figures(figures, folder)
            progress("figures written")
        if "html" in formats:
            html = page.html(bundle, _shown(figures, "characters"), stamp=stamp, figures_beside=beside)
            _write(folder, HTML, html.encode())
            pages.append(HTML)
            progress(f"{HTML} written")
        if printer is not None:
            try:
                printer.finish()
                pages.append(PDF)
                progress(f"{PDF} written")
            except document.Unavailable as missing:
                progress(f"{PDF} left out: {missing}")
    if described.by_all and ("pdf" not in formats or PDF in pages):
        known.keep(keys, {name: (folder / name).read_bytes() for name in pages})
    return [*keys, *pages]


def is_output_of(name: str, formats: Sequence[str]) -> bool:
    """Whether a bundle's file is what one of these formats makes."""
    made = {"html": name == HTML, "pdf": name == PDF, "figures": name.startswith(f"{FIGURES}/")}
    return any(made[format] for format in formats)


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


def _drawn(figures: Sequence[DrawnFigure], flavours: Sequence[Flavour]) -> str:
    """Draws every figure that the cache lacks a flavour of, and tells of it."""
    anew = sum(figure.drawing.ready(flavours) for figure in figures)
    found = len(figures) - anew
    return f"{anew} {'figure' if anew == 1 else 'figures'} drawn" + (
        f", {found} found by an earlier run" if found else ""
    )


def _write_figures(figures: Sequence[DrawnFigure], folder: Path) -> dict[str, str | None]:
    """The names of the files, each with its key in the cache."""
    keys = {}
    for figure in figures:
        for flavour, extension in FILES.items():
            name = f"{FIGURES}/{figure.stem}.{extension}"
            _write(folder, name, figure.drawing.content(flavour))
            keys[name] = figure.drawing.key_of(flavour)
    return keys


def _write(folder: Path, name: str, content: bytes) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def _shown(figures: Sequence[DrawnFigure], text: "SvgText") -> "dict[str, list[Drawn]]":
    """Probe id -> its figures for a page."""
    from reportgen.report.drawn import Drawn

    drawings: dict[str, list[Drawn]] = {}
    for figure in figures:
        shown = Drawn(figure.description, figure.stem, figure.drawing.svg(text))
        drawings.setdefault(figure.probe_id, []).append(shown)
    return drawings


def _holds_figures(folder: Path | None) -> bool:
    figures = folder and folder / FIGURES
    return bool(figures and figures.is_dir() and any(figures.iterdir()))
