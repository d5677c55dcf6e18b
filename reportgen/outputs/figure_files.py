"""Figures of a stored bundle as files of their own: chosen, drawn in a theme at a width, written next to each other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from reportgen import language
from reportgen.documents.problem import describe_value
from reportgen.errors import BatteryError, BundleError, Mistake, OutputError
from reportgen.figures.data import csv_of
from reportgen.figures.describe import list_texts
from reportgen.figures.kept import Flavour
from reportgen.look.legible import find_lacking
from reportgen.look.presentation import presentation_of
from reportgen.look.theme import Theme
from reportgen.outputs.figure_list import read_list, take_over
from reportgen.report.content.bundle_figures import (
    BundleDescription,
    DrawnFigure,
    ShowFailures,
    describe_bundle,
    draw_figures,
    list_stems,
)
from reportgen.results.bundle import Bundle
from reportgen.results.folder import check_writable
from reportgen.results.holding import make_folder_beside, writing
from reportgen.suggest import suggestion

FLAVOURS: dict[str, Flavour] = {"svg": "paths", "png": "png", "pdf": "pdf"}
FORMATS = (*FLAVOURS, "csv")
NAMED = 5
"""Characters that a line about a font names."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class FigureChoice:
    """Which figures are drawn, and how."""

    ids: Sequence[str] = ()
    """Stems of figures, or ids of probes for all of theirs; none: every figure."""
    models: Sequence[str] = ()
    """Only figures that show one of these; none: those of all models."""
    formats: Sequence[str] = FORMATS
    theme: Theme | None = None
    """None: that of the bundle."""
    width: float | None = None
    """Points that each picture takes across; None: as the theme says."""
    height: float | None = None
    """Points that each picture takes upwards, exactly; None: as its kind does."""
    fit: float | None = None
    """Height of each picture by its width, exactly, where no height is given."""
    pixels: int | None = None
    """Of each PNG across; None: as many as go into its width."""


def write_figures(
    bundle: Bundle, wanted: FigureChoice, folder: Path | None = None, progress: Progress = lambda line: None
) -> list[Path]:
    """Draws figures of a bundle and writes them; returns the files. They are written whole or not at all.

    Args:
        bundle: a stored one.
        wanted: which, and how.
        folder: where to; BUNDLE-figures-THEME where it is None.
        progress: is told which characters the theme's font lacks.

    Raises:
        BatteryError: the bundle has no such figure or model.
        BundleError: its figures cannot be drawn.
        OutputError: the folder holds a file of another's under one of the names, or cannot be written; or the height
            cannot hold the text of a figure.

    What the bundle no longer has figures for is removed from the folder by its own list.
    """
    presentation = presentation_of(bundle.run)
    theme = wanted.theme or presentation.theme
    target = folder or _folder_of(bundle, theme)
    check_folder(target)
    with language.use_language(presentation.language):
        described = _describe_bundle(bundle)
        chosen = choose(bundle, described, wanted)
        height = wanted.height or (wanted.fit and wanted.fit * (wanted.width or theme.width))
        drawn_in = theme.fit_box(wanted.width, height) if height else theme
        width = None if height else wanted.width
        drawn = list(draw_figures(bundle, described, theme=drawn_in, width=width, only=chosen, cache=True))
        for line in find_gaps(drawn, theme):
            progress(line)
        with make_folder_beside(target) as stage:
            names = [name for figure in drawn for name in _write(figure, wanted, stage)]
            take_over(target, stage, names, _name(bundle), _find_gone(target, described))
    return [target / name for name in names]


def choose(bundle: Bundle, described: BundleDescription, wanted: FigureChoice) -> set[str]:
    """The stems of the figures that are wanted.

    Raises:
        BatteryError: an id or a model is none of the bundle's, or nothing is left.
    """
    named = list_stems(described)
    for model in wanted.models:
        if model not in bundle.models:
            raise BatteryError(
                Mistake(f"no model {describe_value(model)} in this bundle", suggestion(model, bundle.models))
            )
    known = [*described.figures, *(stem for _, stem, _ in named)]
    for id in wanted.ids:
        if id not in known:
            raise BatteryError(Mistake(f"no figure {describe_value(id)} in this bundle", suggestion(id, known)))
    found = {
        stem
        for probe_id, stem, figure in named
        if (not wanted.ids or probe_id in wanted.ids or stem in wanted.ids)
        and (not wanted.models or not set(wanted.models).isdisjoint(figure.subject))
    }
    if not found:
        raise BatteryError(Mistake("the bundle has no such figures", "leave out ids and --model to draw them all"))
    return found


def find_gaps(drawn: Sequence[DrawnFigure], theme: Theme) -> list[str]:
    """A line for the theme's own font and one for all of ours, where they lack characters of the figures."""
    shown_texts = {text for figure in drawn for text in list_texts(figure.description)}
    own = theme.own_font
    lines = []
    if own is not None and (missing := find_lacking(shown_texts, own)):
        lines.append(f"{own.path.name} lacks {_list_characters(missing)}: set in a built-in font")
    if missing := find_lacking(shown_texts):
        lines.append(f"no font has {_list_characters(missing)}: spelled out")
    return lines


def check_folder(target: Path) -> None:
    """Refuses a place that is not a folder, or that cannot be written.

    Raises:
        OutputError: as it says.
    """
    with writing(target):
        if target.exists() and not target.is_dir():
            raise OutputError(Mistake("the output is a file, not a folder", "name another with -o", file=target))
        if not target.exists():
            check_writable(target)


def _folder_of(bundle: Bundle, theme: Theme) -> Path:
    assert bundle.path is not None, "a bundle that was never stored"
    place = bundle.path.resolve()
    return bundle.path.parent / f"{_name(bundle)}-figures-{theme.name}" if bundle.path.name else Path(
        f"{place}-figures-{theme.name}"
    )  # fmt: skip


def _name(bundle: Bundle) -> str:
    assert bundle.path is not None, "a bundle that was never stored"
    return bundle.path.resolve().name


def _describe_bundle(bundle: Bundle) -> BundleDescription:
    try:
        return describe_bundle(bundle)
    except ShowFailures as unshowable:
        reasons = (f"{id}: {reason}" for id, reason in unshowable.of_stored.items())
        raise BundleError(*(Mistake(reason, "make it again with reportgen run") for reason in reasons)) from unshowable


def _write(figure: DrawnFigure, wanted: FigureChoice, stage: Path) -> list[str]:
    names = []
    for format in FORMATS:
        if format in wanted.formats:
            names.append(f"{figure.stem}.{format}")
            (stage / names[-1]).write_bytes(_content(figure, format, wanted.pixels))
    return names


def _content(figure: DrawnFigure, format: str, pixels: int | None) -> bytes:
    if format == "csv":
        return csv_of(figure.description).encode()
    return figure.drawing.png(pixels) if format == "png" else figure.drawing.content(FLAVOURS[format])


def _find_gone(target: Path, described: BundleDescription) -> set[str]:
    """The files of earlier calls whose figures the bundle no longer has; of none, where a probe is not installed."""
    known = read_list(target)
    if known is None or not described.by_all:
        return set()
    still = {f"{stem}.{format}" for _, stem, _ in list_stems(described) for format in FORMATS}
    return set(known.bundles) - still


def _list_characters(characters: Sequence[str]) -> str:
    first = ", ".join(f"U+{ord(character):04X} {character}" for character in characters[:NAMED])
    more = len(characters) - NAMED
    return f"{first} and {more} more" if more > 0 else first
