"""From a bundle to what people look at: figures drawn once, then the page, the PDF, the slides and the figure files."""

import gc
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from reportgen import language
from reportgen.errors import Mistake, OutputError, ReportgenError
from reportgen.figures.data import csv_of
from reportgen.figures.describe import Curves, Figure, Maps
from reportgen.figures.kept import Flavour
from reportgen.look.presentation import Presentation
from reportgen.look.theme import BUILT_IN, PAPER, Theme
from reportgen.outputs.cache import OutputCache, OutputFile
from reportgen.outputs.figure_files import find_gaps
from reportgen.report.content.bundle_figures import (
    BundleDescription,
    DrawnFigure,
    ShowFailures,
    describe_bundle,
    draw_figures,
    list_stems,
)
from reportgen.report.content.many_models import UnshownFigures, find_unshown, keep_shown
from reportgen.results.bundle import Bundle

if TYPE_CHECKING:
    from reportgen.figures.draw import SvgText
    from reportgen.report.content.drawn import PageFigure
    from reportgen.report.document import Printer
    from reportgen.report.slides.slide import Deck

FILE_OF = {"html": "report.html", "pdf": "report.pdf", "slides": "slides.pdf", "pptx": "slides.pptx"}
"""Format of one file -> its name."""
FIGURES = "figures"
FORMATS = (*FILE_OF, FIGURES)
USUAL = ("html", "pdf", FIGURES)
"""Those that are made where nothing else is asked for."""
FILES: dict[Flavour, str] = {"paths": "svg", "png": "png", "pdf": "pdf"}
"""Flavour of a figure -> how its file ends; its data lie next to it as CSV."""
Shown = dict[str, tuple[Flavour, ...]]
"""Format -> what it shows of each figure."""
ON_PAGES: Shown = {"html": ("characters",), "pdf": ("simple characters",)}
IN_FILES: Shown = {FIGURES: tuple(FILES)}
ON_SLIDES: Shown = {"slides": ("simple characters",), "pptx": ("paths", "png")}

HALF_A_PAGE = 237.0
"""Points across of a figure that shares the width of an upright page with another."""

FEW_MAPS = 4
"""Panels of one figure, up to which their points are named and want room."""

LONGEST_REASON = 300
"""Characters of why an output could not be made."""

Progress = Callable[[str], None]
Made = TypeVar("Made")


class OutputsFailed(OutputError):
    """Some outputs could not be made; all others were."""

    def __init__(self, written: Sequence[str], reasons: Mapping[str, str]) -> None:
        super().__init__(
            *(
                Mistake(f"{FILE_OF.get(format, format)} could not be made: {reason}")
                for format, reason in reasons.items()
            )
        )
        self.written = written
        """Names of what was made, relative to the folder."""
        self.reasons = reasons
        """Format -> why there is nothing of it."""


def write_outputs(
    bundle: Bundle,
    folder: Path,
    formats: Sequence[str],
    progress: Progress = lambda line: None,
    *,
    presentation: Presentation | None = None,
    stamp: str = "",
    cache: bool = True,
) -> list[str]:
    """Makes the wanted outputs of a bundle in a folder, and returns their names relative to it.

    A PDF is left out, and its reason told, where the machine lacks Pango. With `cache`, what was made of the same
    numbers before is taken from there, and what is made now is kept.

    Raises:
        ShowFailures: the figures or the sentence of some probes raise; nothing is written.
        OutputsFailed: some outputs could not be made; all others are written.
    """
    shown_as = presentation or Presentation()
    with language.use_language(shown_as.language):
        has_files = FIGURES in formats or _holds_figures(bundle.path)
        known = OutputCache(bundle, formats, shown_as, stamp=stamp, has_figure_files=has_files, used=cache)
        found = known.find()
        if found is None:
            return _OutputMaker(bundle, folder, formats, progress, shown_as, stamp, has_files, cache).make_all(known)
        for name, content in found.items():
            _write(folder, name, content)
        if found:
            progress(f"{', '.join(formats)}: reused from the cache")
        return list(found)


class _OutputMaker:
    """Outputs under way."""

    def __init__(
        self,
        bundle: Bundle,
        folder: Path,
        formats: Sequence[str],
        progress: Progress,
        presentation: Presentation,
        stamp: str,
        has_figure_files: bool,
        cache: bool,
    ) -> None:
        self._bundle = bundle
        self._folder = folder
        self._formats = formats
        self._progress = progress
        self._presentation = presentation
        self._stamp = stamp
        self._has_figure_files = has_figure_files
        self._cache = cache
        self._unshown: UnshownFigures = {}
        self._pages: list[str] = []
        self._reasons: dict[str, str] = {}

    def make_all(self, known: OutputCache) -> list[str]:
        """Every wanted output; in an order in which processes that print have work early."""
        from reportgen.report.templates.templating import override_by

        with ExitStack() as processes:
            processes.enter_context(override_by(self._presentation.templates))
            # First of all: they load WeasyPrint while figures are drawn, and print while they are written.
            printers = {one: processes.enter_context(self._printer(one)) for one in ("pdf", "slides") if self._has(one)}
            described = describe_bundle(self._bundle)
            self._unshown = find_unshown(self._bundle, described)
            with _pause_collection():
                theme, of_page = self._presentation.theme, self._presentation.theme.on_page()
                alike = theme.drawing_state == of_page.drawing_state
                halves = self._half_figures(described, of_page)
                drawn = self._draw_figures(described, of_page, ON_PAGES | (IN_FILES if alike else {}), halves)
                on_page = [one for one in drawn if one.stem not in self._unshown_stems]
                on_paper = [halves.get(one.stem, one) for one in on_page]
                self._try(lambda: printers["pdf"].begin(self._paper(described, on_paper)), "pdf")
                deck = self._try(lambda: self._deck(described), *ON_SLIDES)
                if deck is not None:
                    self._try(lambda: printers["slides"].begin(self._slides(deck)), "slides")
                files = (
                    self._try(
                        lambda: self._figure_files(drawn if alike else self._draw_figures(described, theme, IN_FILES)),
                        FIGURES,
                    )
                    or []
                )
            self._try(lambda: self._html(described, on_page), "html")
            if deck is not None:
                self._try(lambda: self._powerpoint(deck), "pptx")
            for format, printer in printers.items():
                self._try(partial(self._finish, format, printer), format)
        names = [*(file.name for file in files), *self._pages]
        if self._reasons:
            raise OutputsFailed(names, self._reasons)
        if described.by_all and all(FILE_OF[format] in self._pages for format in printers):
            pages = [OutputFile(name, content=(self._folder / name).read_bytes()) for name in self._pages]
            known.keep([*files, *pages])
        return names

    @property
    def _unshown_stems(self) -> set[str]:
        return {stem for of_probe in self._unshown.values() for stem in of_probe}

    def _has(self, format: str) -> bool:
        return format in self._formats

    def _try(self, make: Callable[[], Made], *formats: str) -> Made | None:
        """What makes some formats, where one is wanted and has not failed; what it raises is the failure of these."""
        wanted = [format for format in formats if self._has(format) and format not in self._reasons]
        if not wanted:
            return None
        try:
            return make()
        except (ShowFailures, OSError):
            raise  # it would be so in each of them
        except Exception as error:  # a library may raise anything on a stranger's words; the other formats are made
            for format in wanted:
                self._reasons[format] = _explain_error(error)
                self._progress(f"{FILE_OF.get(format, format)} failed ({self._reasons[format]})")
            return None

    def _printer(self, format: str) -> "Printer":
        from reportgen.report import document

        return document.Printer(self._folder / FILE_OF[format])

    def _draw_figures(
        self, described: BundleDescription, theme: Theme, shown: Shown, halves: Mapping[str, DrawnFigure] | None = None
    ) -> list[DrawnFigure]:
        """The figures in a theme, each drawn that the cache lacks a flavour of; none where no format shows them.

        `halves`: stem -> what paper shows in its place, drawn as well.
        """
        flavours = [flavour for format in self._formats for flavour in shown.get(format, ())]
        if not flavours:
            return []
        known, unshown = halves or {}, self._unshown_stems
        wide = [flavour for flavour in flavours if flavour not in ON_PAGES["pdf"]]
        in_files = [flavour for flavour in flavours if flavour in FILES]
        figures = [
            one
            for one in draw_figures(self._bundle, described, theme=theme, cache=self._cache)
            if in_files or one.stem not in unshown
        ]
        drawn = {
            one.stem: _draw_missing(one, in_files if one.stem in unshown else wide if one.stem in known else flavours)
            for one in figures
        }
        for stem, half in known.items():  # after all others: they have other typefaces
            drawn[stem] |= _draw_missing(half, ON_PAGES["pdf"])
        anew = sum(drawn.values())
        found = len(figures) - anew
        if theme.own_font is not None:
            for line in find_gaps(figures, theme):
                self._progress(line)
        self._progress(
            f"{anew} {'figure' if anew == 1 else 'figures'} drawn"
            + (f", {found} reused from the cache" if found else "")
        )
        return figures

    def _half_figures(self, described: BundleDescription, theme: Theme) -> dict[str, DrawnFigure]:
        """Stem -> a figure that stands on paper next to that of the next model: half as wide, its text as large."""
        named = [one for one in list_stems(described) if one[1] not in self._unshown_stems]
        kinds = Counter((probe_id, figure.name) for probe_id, _, figure in named if _narrows(figure))
        side_by_side = {stem for probe_id, stem, figure in named if kinds[probe_id, figure.name] > 1}
        if not side_by_side or not self._has("pdf"):
            return {}
        half = theme.model_copy(update={"width": HALF_A_PAGE})
        drawn = draw_figures(self._bundle, described, theme=half, only=side_by_side, cache=self._cache)
        return {one.stem: one for one in drawn}

    def _paper(self, described: BundleDescription, figures: Sequence[DrawnFigure]) -> str:
        from reportgen.report import page

        shown = _group_page_figures(figures, "simple characters")
        return page.render_paper(
            self._bundle,
            shown,
            statements=described.statements,
            words=described.words,
            stamp=self._stamp,
            has_figure_files=self._has_figure_files,
            theme=self._presentation.theme,
            unshown=self._unshown,
        )

    def _html(self, described: BundleDescription, figures: Sequence[DrawnFigure]) -> None:
        from reportgen.report import page
        from reportgen.report.content.thumbnails import draw_thumbnails

        theme = self._presentation.theme.on_page()
        small = draw_thumbnails(self._bundle, described, theme=theme, cache=self._cache, unshown=self._unshown_stems)
        html = page.render_page(
            self._bundle,
            _group_page_figures(figures, "characters", small),
            statements=described.statements,
            words=described.words,
            stamp=self._stamp,
            has_figure_files=self._has_figure_files,
            budget=self._presentation.page_bytes,
            theme=self._presentation.theme,
            unshown=self._unshown,
        )
        self._write_output("html", html.encode())

    def _deck(self, described: BundleDescription) -> "Deck":
        from reportgen.report.slides import deck
        from reportgen.report.slides.figures import StatementsAlone, on_slides, theme_on_slides

        whole = slide_theme(self._presentation.theme)
        theme = theme_on_slides(whole, self._bundle)
        alone = StatementsAlone(self._bundle, described.statements)
        figures = self._draw_figures(
            on_slides(keep_shown(described, self._unshown), self._bundle, whole, alone), theme, ON_SLIDES
        )
        measured: SvgText = "simple characters" if self._has("slides") else "paths"
        return deck.build_deck(
            self._bundle,
            figures,
            described.statements,
            theme=theme,
            measured=measured,
            choice=self._presentation.slides,
            alone=alone,
        )

    def _slides(self, deck: "Deck") -> str:
        from reportgen.report.slides import pages as slides

        return slides.render_paper(deck)

    def _powerpoint(self, deck: "Deck") -> None:
        from reportgen.report.slides.powerpoint import write_powerpoint

        self._write_output("pptx", write_powerpoint(deck))

    def _figure_files(self, figures: Sequence[DrawnFigure]) -> list[OutputFile]:
        """The files of all figures, each with where the cache keeps it."""
        made: list[OutputFile] = []
        try:
            for figure in figures:
                made.extend(self._files_of(figure))
        except Exception:  # whatever it is, nothing is left of what was begun
            for file in made:
                (self._folder / file.name).unlink()
            raise
        self._progress("figures written")
        return made

    def _files_of(self, figure: DrawnFigure) -> Iterator[OutputFile]:
        for flavour, extension in FILES.items():
            name = f"{FIGURES}/{figure.stem}.{extension}"
            _write(self._folder, name, figure.drawing.content(flavour))
            yield OutputFile(name, figure.drawing.key_of(flavour))
        name, data = f"{FIGURES}/{figure.stem}.csv", csv_of(figure.description).encode()
        _write(self._folder, name, data)
        yield OutputFile(name, content=data)

    def _write_output(self, format: str, content: bytes) -> None:
        _write(self._folder, FILE_OF[format], content)
        self._report_output(format)

    def _finish(self, format: str, printer: "Printer") -> None:
        from reportgen.report.document import PrinterMissing

        try:
            printer.finish()
            self._report_output(format)
        except PrinterMissing as missing:
            self._progress(f"{FILE_OF[format]} left out: {missing}")

    def _report_output(self, format: str) -> None:
        self._pages.append(FILE_OF[format])
        self._progress(f"{FILE_OF[format]} written")


def _draw_missing(figure: DrawnFigure, flavours: Sequence[Flavour]) -> bool:
    try:
        return figure.drawing.draw_missing(flavours)
    except (ReportgenError, OSError):
        raise
    except Exception as error:  # matplotlib may raise anything on a stranger's numbers: its probe is a failed card
        raise ShowFailures({figure.probe_id: error}) from error


def _explain_error(error: Exception) -> str:
    """What is wrong, on one line."""
    told = error.in_one_line if isinstance(error, ReportgenError) else " ".join(str(error).split())
    return (told or "an internal error")[:LONGEST_REASON]


def _narrows(figure: Figure) -> bool:
    return isinstance(figure, Curves) or (isinstance(figure, Maps) and len(figure.panels) > FEW_MAPS)


def slide_theme(theme: Theme) -> Theme:
    """What slides are drawn in: the battery's theme, unless that is the one for pages and paper."""
    return BUILT_IN["slides"] if theme == PAPER else theme


def is_output_of(name: str, formats: Sequence[str]) -> bool:
    """Whether a bundle's file is what one of these formats makes."""
    return any(name == FILE_OF.get(format) for format in formats) or (
        FIGURES in formats and name.startswith(f"{FIGURES}/")
    )


@contextmanager
def _pause_collection() -> Iterator[None]:
    """No search for unreachable objects: the figures' own all live until they are written, and are very many."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _write(folder: Path, name: str, content: bytes) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def _group_page_figures(
    figures: Sequence[DrawnFigure], text: "SvgText", thumbnails: Mapping[str, str] = {}
) -> "dict[str, list[PageFigure]]":
    """Probe id -> its figures for a page, with the thumbnails of those that have one."""
    from reportgen.report.content.drawn import PageFigure

    drawings: dict[str, list[PageFigure]] = {}
    for figure in figures:
        small = thumbnails.get(figure.stem, "")
        shown = PageFigure(figure.description, figure.stem, figure.drawing.svg(text), thumbnail=small)
        drawings.setdefault(figure.probe_id, []).append(shown)
    return drawings


def _holds_figures(folder: Path | None) -> bool:
    figures = folder and folder / FIGURES
    return bool(figures and figures.is_dir() and any(figures.iterdir()))
