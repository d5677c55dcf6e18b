"""The figures of a bundle: what its probes describe, drawn now or taken as they were drawn before."""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from reportgen.errors import BundleError, Mistake, ReportgenError, reason_of
from reportgen.figures.describe import Figure, list_texts
from reportgen.figures.kept import CachedFigure, drawing_key
from reportgen.figures.many_curves import grid_many_curves
from reportgen.figures.remarks import list_remarks
from reportgen.look.font_sources import OwnFont
from reportgen.look.fonts import Typefaces, load_typefaces
from reportgen.look.model_styles import ModelStyle, model_styles
from reportgen.look.own_files import UnusableFile, check_font
from reportgen.look.theme import PAPER, Theme
from reportgen.probes.registry import find
from reportgen.probing.probe import Probe, explanation, meanings, question, statement_of, words_of
from reportgen.processes.supervision import find_earlier_end, track_piece
from reportgen.results.bundle import Bundle
from reportgen.results.section import Section, SubjectWords

if TYPE_CHECKING:
    from reportgen.figures.draw import Drawing


LONGEST_STEM = 200
"""Characters; disks take names of 255 bytes, endings and what tells two apart included."""

_ANOTHER = "name a theme with --theme"


SECONDS_TO_SHOW = 600.0
"""That a probe may take to describe its figures: they are made of numbers that are there."""


class ShowError(ReportgenError):
    """What a probe gave to be shown is nothing that can be."""


class ShowFailures(Exception):
    """Numbers that cannot be shown: the figures or the sentence of some probes raise."""

    def __init__(self, failures: Mapping[str, BaseException]) -> None:
        super().__init__(", ".join(failures))
        self.failures = failures
        """Probe id -> what was raised."""

    @property
    def reasons(self) -> dict[str, str]:
        """Probe id -> why its numbers cannot be shown, for its card."""
        return {
            probe_id: f"measured, but it cannot be shown: {reason_of(error)}"
            for probe_id, error in self.failures.items()
        }

    @property
    def of_stored(self) -> dict[str, str]:
        """The same of a stored bundle, whose numbers may be a stranger's: in plain words; --debug says what raised."""
        return {
            probe_id: error.in_one_line
            if isinstance(error, ReportgenError)
            else "it cannot be shown: its numbers are not such as its probe gives"
            for probe_id, error in self.failures.items()
        }


@dataclass(frozen=True)
class BundleDescription:
    """What a bundle's probes show."""

    figures: Mapping[str, Sequence[Figure]]
    """Probe id -> its figures, in the report's order; none of a probe that is not installed."""
    statements: Mapping[str, str]
    """Probe id -> what it found; empty where nothing was measured, or the probe is not installed."""
    by_all: bool
    """Whether every probe is installed: else there will be more to show once it is."""
    words: Mapping[str, Mapping[str, SubjectWords]] = field(default_factory=dict)
    """Probe id -> subject -> what is said of it alone."""


@dataclass(frozen=True)
class DrawnFigure:
    """A figure of a bundle, and its drawing."""

    probe_id: str
    stem: str
    description: Figure
    drawing: CachedFigure


def describe_bundle(bundle: Bundle) -> BundleDescription:
    """The figures and the statement of every probe; none where nothing was measured.

    Raises:
        ShowFailures: the figures or the sentence of some probes raise.
    """
    figures: dict[str, Sequence[Figure]] = {}
    statements: dict[str, str] = {}
    words: dict[str, Mapping[str, SubjectWords]] = {}
    failures: dict[str, BaseException] = {}
    known = {probe_id: _probes(bundle.section(probe_id)) for probe_id in bundle.outcomes}
    for probe_id, probes in known.items():
        try:
            found = _describe_section(bundle.section(probe_id), probes or ())
            figures[probe_id], statements[probe_id], words[probe_id] = found
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a probe may raise anything, an end of the program too: the others are shown
            failures[probe_id] = error
    if failures:
        raise ShowFailures(failures) from next(iter(failures.values()))
    return BundleDescription(figures, statements, None not in known.values(), words)


def list_stems(described: BundleDescription) -> list[tuple[str, str, Figure]]:
    """Probe id, stem of its files and description of every figure, in the report's order; all stems differ."""
    seen: Counter[str] = Counter()
    found = []
    for probe_id, of_probe in described.figures.items():
        for figure in of_probe:
            stem = _shorten_stem(f"{probe_id}-{'+'.join(figure.subject)}-{figure.name}")
            # Ids hold hyphens too: a-b of c and a of b-c would be one file. To some disks A and a are one name as well.
            seen[stem.casefold()] += 1
            again = seen[stem.casefold()]
            found.append((probe_id, stem if again == 1 else f"{stem}-{again}", figure))
    return found


def _shorten_stem(stem: str) -> str:
    """A stem that a disk takes as a name: the ids of many models may be longer than that together."""
    if len(stem) <= LONGEST_STEM:
        return stem
    return f"{stem[: LONGEST_STEM - 9]}-{hashlib.sha256(stem.encode()).hexdigest()[:8]}"


def draw_figures(
    bundle: Bundle,
    described: BundleDescription | None = None,
    *,
    theme: Theme = PAPER,
    width: float | None = None,
    only: Collection[str] | None = None,
    cache: bool = False,
) -> Iterator[DrawnFigure]:
    """Every figure in the report's order, each drawn when it is asked for what the cache does not hold of it.

    Args:
        bundle: whose models have their colours in its own order.
        described: its figures, where they are known.
        theme: what they look like; a page asks for `theme.on_page()`.
        width: points that each picture takes across; else what the theme says.
        only: stems of those that are wanted; None: all.
        cache: whether to take what was drawn before, and to keep what is drawn.
    """
    styles = model_styles(list(bundle.models), theme)
    named = [one for one in list_stems(described or describe_bundle(bundle)) if only is None or one[1] in only]
    drawings = make_cached_figures([(figure, styles) for *_, figure in named], theme=theme, width=width, cache=cache)
    for (probe_id, stem, figure), drawing in zip(named, drawings, strict=True):
        yield DrawnFigure(probe_id, stem, figure, drawing)


def make_cached_figures(
    figures: Sequence[tuple[Figure, Mapping[str, ModelStyle]]],
    *,
    theme: Theme = PAPER,
    width: float | None = None,
    cache: bool = False,
) -> Iterator[CachedFigure]:
    """Each figure in the styles of what it names, drawn when it is asked for what the cache does not hold of it."""
    faces = _Faces((figure for figure, _ in figures), theme)
    for figure, styles in figures:
        named = set(list_texts(figure))
        own = {model: style for model, style in styles.items() if model in named}
        key = drawing_key(figure, own, theme, width) if cache else None
        yield CachedFigure(key, partial(_draw, figure, faces, own, theme, width))


class _Faces:
    """The typefaces of a report's figures, made when the first of them is drawn."""

    def __init__(self, figures: Iterable[Figure], theme: Theme) -> None:
        self._figures, self._theme = list(figures), theme

    @cached_property
    def typefaces(self) -> Typefaces:
        texts = {text for figure in self._figures for text in list_texts(figure)} | set(list_remarks())
        return load_typefaces(texts, _own_font(self._theme))


def _own_font(theme: Theme) -> OwnFont | None:
    """The theme's own font: a stored bundle may be older than what its file is now."""
    own = theme.own_font
    if own is not None:
        try:
            changed = check_font(own.path) != own.sha256
        except UnusableFile as refused:
            raise BundleError(Mistake(f"the theme's font cannot be used: {refused}", _ANOTHER)) from refused
        if changed:
            raise BundleError(Mistake(f"{own.path} has changed since the theme was read", _ANOTHER))
    return own


def _draw(
    figure: Figure, faces: _Faces, styles: Mapping[str, ModelStyle], theme: Theme, width: float | None
) -> "Drawing":
    from reportgen.figures.draw import draw

    return draw(figure, typefaces=faces.typefaces, styles=styles, theme=theme, width=width)


def _probes(section: Section) -> list[Probe[Any, Any]] | None:
    """Those of a battery entry; None where one is not installed: then the numbers are shown alone."""
    try:
        return [find(name) for name in dict.fromkeys(outcome.probe for outcome in section.outcomes.values())]
    except ReportgenError:
        return None


def _describe_section(
    section: Section, probes: Sequence[Probe[Any, Any]]
) -> tuple[list[Figure], str, Mapping[str, SubjectWords]]:
    """A probe's figures, statement and words of each subject; whatever else a page wants of it is asked for, too: it
    fails here, not there.
    """
    if not section.ok():
        return [], "", {}
    piece = ("show", section.id)
    if told := find_earlier_end(*piece):
        raise ShowError(told)
    with track_piece(*piece, seconds=SECONDS_TO_SHOW):
        figures = [grid_many_curves(_check_figure(one)) for probe in probes for one in probe.figures(section)]
        statements = [statement_of(probe, section) for probe in probes]
        words = [words_of(probe, section, told) for probe, told in zip(probes, statements, strict=True) if told]
        for probe in probes:
            explanation(probe), question(probe), meanings(probe)
    return figures, next(iter(statements), ""), next(iter(words), {})


def _check_figure(figure: Any) -> Figure:
    if not isinstance(figure, Figure):
        raise ShowError(f"it gave a {type(figure).__name__} as a figure")
    return figure
