"""A bundle as Python and notebooks see it: its numbers by name, its figures when they are asked for.

The numbers are those of `store` and `result`; what is added here draws and shows them, and is the only place that
does: results hold no figures.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from reportgen.errors import BundleError, Mistake, OutputError, ReportgenError
from reportgen.figures.kept import Flavour
from reportgen.language import direction, use_language
from reportgen.look.presentation import Presentation, presentation_of
from reportgen.look.theme import read_theme
from reportgen.probes.registry import find
from reportgen.probing.probe import question
from reportgen.report.content.bundle_figures import DrawnFigure, ShowFailures, describe_bundle, draw_figures
from reportgen.results.bundle import Bundle, load_bundle
from reportgen.results.holding import restore
from reportgen.results.prompt_names import PROMPT, name_along, name_prompts, name_rows
from reportgen.results.quantities import Array, Outcome, Table
from reportgen.results.section import SUBJECT, Section
from reportgen.suggest import suggestion

if TYPE_CHECKING:
    from reportgen.report.content.sections import SectionView

ROWS = 10
"""Of a table, that a notebook shows."""
FLAVOURS: dict[str, Flavour] = {".svg": "paths", ".png": "png", ".pdf": "pdf"}
ENDINGS = (*FLAVOURS, ".csv")
"""How the file of a figure, or of its data, may end."""
T = TypeVar("T")


def load(bundle: str | Path) -> "ShownBundle":
    """A stored bundle: `load(folder)["weather"]["gemma"].arrays["entropy"].sel(layer=3)`.

    Raises:
        BundleError: the folder holds no bundle, or a damaged one.
    """
    restore(Path(bundle).resolve())
    return show_bundle(load_bundle(Path(bundle)))


def show_bundle(bundle: Bundle) -> "ShownBundle":
    """The bundle, as Python and notebooks see it."""
    return ShownBundle(**{one.name: getattr(bundle, one.name) for one in fields(bundle)})


class NamedItems(dict[str, T]):
    """Things by name; one that is not there is told with the name that comes nearest."""

    def __init__(self, what: str, where: str, of: Mapping[str, T]) -> None:
        """`what` one of them is called, and `where` they are all from."""
        super().__init__(of)
        self._what = what
        self._where = where

    def __missing__(self, name: str) -> T:
        raise _make_key_error(self._what, name, self._where, self)


class ShownBundle(Bundle):
    """The numbers of one run, which show themselves in a notebook."""

    def __getitem__(self, probe_id: str) -> "ShownSection":
        """The outcomes of one probe, by model.

        Raises:
            KeyError: the bundle has no such probe.
        """
        if probe_id not in self.outcomes:
            raise _make_key_error("probe", probe_id, "the bundle", self.outcomes)
        return ShownSection(self, probe_id)

    def __iter__(self) -> Iterator[str]:
        """The ids of the probes."""
        return iter(self.outcomes)

    def _ipython_key_completions_(self) -> list[str]:
        return list(self.outcomes)

    def _repr_html_(self) -> str:
        shown_as = presentation_of(self.run)
        with use_language(shown_as.language):
            sections = [(section, _question(section)) for section in map(self.section, self.outcomes)]
        return _html("bundle", shown_as, bundle=self, sections=sections)


class ShownSection(NamedItems["ShownOutcome"]):
    """The outcomes of one probe, by model or pair of models."""

    def __init__(self, bundle: Bundle, probe_id: str) -> None:
        found = bundle.outcomes[probe_id]
        super().__init__("subject", probe_id, {id: _outcome(bundle, probe_id, id) for id in found})
        self._bundle = bundle
        self._id = probe_id

    def __repr__(self) -> str:
        states = ", ".join(f"{subject} {outcome.status}" for subject, outcome in self.items())
        return f"<{self._id}: {states}>"

    def _repr_html_(self) -> str:
        section = self._bundle.section(self._id)
        shown_as = presentation_of(self._bundle.run)
        return _html("section", shown_as, section=section, seen=_show_section(section, shown_as, dict))


@dataclass(frozen=True, repr=False)
class ShownOutcome(Outcome):
    """What became of one probe on one model, or one pair of models, with its figures."""

    bundle: Bundle = field(kw_only=True, compare=False)
    """All that the figures share their scales with."""
    probe_id: str = field(kw_only=True, compare=False)
    subject: str = field(kw_only=True, compare=False)

    def __repr__(self) -> str:
        kinds = {"metrics": self.metrics, "tables": self.tables, "arrays": self.arrays}
        held = "".join(f"; {kind} {', '.join(names)}" for kind, names in kinds.items() if names)
        return f"<{self.probe_id} on {self.subject}: {self.status}{held}>"

    @property
    def figures(self) -> list[str]:
        """The names of its figures, and of those that it shares with other models.

        Raises:
            BundleError: its numbers cannot be shown.
        """
        return list(self._figures(presentation_of(self.bundle.run)))

    def figure(self, name: str | None = None, *, theme: str | Path | None = None) -> "ShownFigure":
        """The figure of that name, or the first; in the bundle's own theme, or another: its name, or a YAML file.

        Raises:
            KeyError: it has no such figure.
            BatteryError: there is no such theme, or it is wrong.
            BundleError: its numbers cannot be shown.
        """
        shown_as = presentation_of(self.bundle.run)
        if theme is not None:
            shown_as = replace(shown_as, theme=read_theme(theme))
        found = self._figures(shown_as)
        if name is None and found:
            return next(iter(found.values()))
        if name not in found:
            about = f"{self.probe_id} on {self.subject}"
            if not found:
                raise KeyError(f"{about} has no figure: {self.status}{f', {self.reason}' if self.reason else ''}")
            raise _make_key_error("figure", str(name), about, found)
        return found[name]

    def _figures(self, shown_as: Presentation) -> "dict[str, ShownFigure]":
        """By name, in the report's order; each is drawn once it is looked at."""
        about = {self.subject, *self.subject.split(SUBJECT)}
        found: dict[str, ShownFigure] = {}
        for one in _draw_probe(self.bundle, self.probe_id, shown_as):
            name, subject = one.description.name, one.description.subject
            own = name not in found or len(subject) < len(found[name].drawn.description.subject)
            if about & set(subject) and own:
                found[name] = ShownFigure(one, shown_as)
        return found

    def _repr_html_(self) -> str:
        shown_as = presentation_of(self.bundle.run)
        alone = Section(self.probe_id, {self.subject: self}, self.bundle.models)
        seen = _show_section(alone, shown_as, lambda: self._figures(shown_as))
        arrays = [f"{name} ({' × '.join(array.dims)})" for name, array in self.arrays.items()]
        holds = [("tables", list(self.tables)), ("arrays", arrays), ("figures", seen.figures)]
        return _html("outcome", shown_as, section=alone, seen=seen, holds=holds)


@dataclass(frozen=True, repr=False)
class ShownTable(Table):
    """Rows under named columns, of which a notebook shows the first."""

    shown_as: Presentation = field(kw_only=True, compare=False)
    model: str = field(kw_only=True, compare=False)
    """The true name of the model, or the pair, that it is of."""
    prompts: Mapping[int, str] = field(kw_only=True, compare=False)
    """Number of a prompt -> its id."""

    def frame(self) -> Any:
        """A pandas DataFrame with the same columns, a column `model` before them, and beside each number of a prompt
        its id. Whole numbers stay whole beside empty cells (Int64).

        Raises:
            ImportError: pandas is not installed.
        """
        return name_rows(self, self.model, self.prompts).frame()

    def _repr_html_(self) -> str:
        from reportgen.report.content.sheets import make_sheet

        with use_language(self.shown_as.language):
            first = make_sheet(self, ROWS)
        return _html("table", self.shown_as, sheet=first)


@dataclass(frozen=True, repr=False)
class ShownArray(Array):
    """Values by named dims, which know the model that they are of."""

    model: str = field(kw_only=True, compare=False)
    """The true name of the model, or the pair, that it is of."""

    def frame(self) -> Any:
        """A pandas DataFrame in long form: `model`, a column a dim (beside `prompt` the prompt's id), and `value`.

        Raises:
            ImportError: pandas is not installed.
        """
        frame = super().frame()
        frame.insert(0, "model", self.model)
        return frame


@dataclass(frozen=True)
class ShownFigure:
    """A figure of a bundle, drawn when it is shown or saved."""

    drawn: DrawnFigure
    shown_as: Presentation

    def __repr__(self) -> str:
        return f"<figure {self.name}: {self.title}>"

    @property
    def name(self) -> str:
        """What the outcome calls it."""
        return self.drawn.description.name

    @property
    def title(self) -> str:
        """What it is of."""
        return self.drawn.description.title

    @property
    def alt(self) -> str:
        """What a person who cannot see it is told."""
        return self.drawn.description.alt

    def svg(self) -> str:
        """One <svg> element, text as shapes, no two of its ids those of another figure."""
        return self._drawing("paths").decode()

    def save(self, path: str | Path) -> Path:
        """Writes the figure as SVG, PNG or PDF, or its data as CSV, as the path ends; returns the path.

        Raises:
            ValueError: the path ends otherwise.
            OutputError: it cannot be written.
        """
        target = Path(path)
        content = self._content(target.suffix.lower())
        try:
            target.write_bytes(content)
        except OSError as error:
            raise OutputError(Mistake(f"the figure cannot be written: {error.strerror}", file=target)) from error
        return target

    def _content(self, ending: str) -> bytes:
        if ending == ".csv":
            from reportgen.figures.data import csv_of

            return csv_of(self.drawn.description).encode()
        if ending not in FLAVOURS:
            raise ValueError(f"a figure is no {ending or 'file without an ending'}. {suggestion(ending, ENDINGS)}")
        return self._drawing(FLAVOURS[ending])

    def _drawing(self, flavour: Flavour) -> bytes:
        with use_language(self.shown_as.language):
            return self.drawn.drawing.content(flavour)

    def _repr_svg_(self) -> str:
        # A notebook may be dark where the figure is drawn for paper, or the other way round.
        return self.svg().replace("<svg", f'<svg style="background: {self.shown_as.theme.ground}"', 1)


@dataclass(frozen=True)
class _ShownEntry:
    """What a notebook shows of a battery entry: the words and numbers of its section, and a picture."""

    names: Mapping[str, str]
    """Subject -> its models' true names."""
    view: "SectionView | None"
    svg: str
    figures: Sequence[str]
    """Names of all there are."""
    unshowable: str
    """Why there is nothing of this, where there is not."""


def _show_section(
    section: Section, shown_as: Presentation, figures: "Callable[[], Mapping[str, ShownFigure]]"
) -> _ShownEntry:
    """A stranger's numbers may make a probe raise: its outcome is shown all the same, with the reason."""
    from reportgen.report.content.sections import build_view, subject_name
    from reportgen.report.content.statements import state_section

    names = {subject: subject_name(section, subject) for subject in section.outcomes}
    try:
        with use_language(shown_as.language):
            found = figures()
            svg = next((figure._repr_svg_() for figure in found.values()), "")
            return _ShownEntry(names, build_view(section, state_section(section), (), 0), svg, list(found), "")
    except Exception as error:  # of whatever kind
        told = error.mistakes[0].message if isinstance(error, BundleError) else "it cannot be shown"
        return _ShownEntry(names, None, "", (), told)


def _question(section: Section) -> str:
    """What its author calls it, else what the probe asks; nothing where it is not installed."""
    if section.title:
        return section.title
    try:
        return question(find(next(iter(section.outcomes.values())).probe))
    except ReportgenError:
        return ""


def _html(name: str, shown_as: Presentation, **context: Any) -> str:
    from reportgen.report.templates.templating import render_template

    with use_language(shown_as.language):
        return render_template(f"notebook/{name}.html.j2", {**context, "direction": direction(shown_as.language)})


def _draw_probe(bundle: Bundle, probe_id: str, shown_as: Presentation) -> list[DrawnFigure]:
    """The figures of one probe, in the colours that they have in the whole report."""
    alone = replace(bundle, outcomes={probe_id: bundle.outcomes[probe_id]})
    try:
        with use_language(shown_as.language):
            return list(draw_figures(alone, describe_bundle(alone), theme=shown_as.theme, cache=True))
    except ShowFailures as error:
        raise BundleError(Mistake(f"{probe_id}: {error.of_stored[probe_id]}", file=bundle.path)) from error


def _make_key_error(what: str, name: str, where: str, known: Iterable[str]) -> KeyError:
    return KeyError(f"no {what} {name!r} in {where}. {suggestion(str(name), known)}".strip())


def _outcome(bundle: Bundle, probe_id: str, subject: str) -> ShownOutcome:
    """The outcome, its parts by name."""
    outcome = bundle.outcomes[probe_id][subject]
    about = f"{probe_id} on {subject}"
    shown_as = presentation_of(bundle.run)
    model, prompts = bundle.section(probe_id).name(subject), name_prompts(outcome)
    tables = {
        name: ShownTable(one.columns, one.rows, shown_as=shown_as, model=model, prompts=prompts)
        for name, one in outcome.tables.items()
    }
    arrays = {name: _show_array(one, outcome, model) for name, one in outcome.arrays.items()}
    named = {
        "metrics": NamedItems("metric", about, outcome.metrics),
        "tables": NamedItems("table", about, tables),
        "arrays": NamedItems("array", about, arrays),
    }
    parts = {one.name: getattr(outcome, one.name) for one in fields(Outcome)}
    return ShownOutcome(**{**parts, **named}, bundle=bundle, probe_id=probe_id, subject=subject)


def _show_array(array: Array, outcome: Outcome, model: str) -> ShownArray:
    names = name_along(outcome, array)
    parts = {one.name: getattr(array, one.name) for one in fields(Array)}
    return ShownArray(**{**parts, "called": {PROMPT: names} if names else {}}, model=model)
