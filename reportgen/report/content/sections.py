"""What a section of a report says, in its reading order, before any template sees it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reportgen.errors import ReportgenError
from reportgen.figures.describe import Figure
from reportgen.language import say, sentences, unit_of
from reportgen.probes import registry
from reportgen.probing.probe import Explanation, Probe, explanation, meaning_of_array, meanings, question
from reportgen.report.content.drawn import HALF_WIDTH, MILLIMETRES_A_POINT, SMALLEST, PageFigure
from reportgen.report.content.feature_browser import Browser
from reportgen.report.content.many_models import MANY, choose_shown, list_unshown
from reportgen.report.content.prompts import TABLE as PROMPTS_TABLE
from reportgen.report.content.prompts import PromptSheet, make_prompt_sheet
from reportgen.report.content.sheets import MetricRow, Sheet, make_metric_rows, make_sheet, spell_name
from reportgen.report.content.side_by_side import SideBySide, lay_side_by_side
from reportgen.report.content.statements import finds_nothing
from reportgen.results.quantities import Outcome, quantities_of
from reportgen.results.section import Section, SubjectWords

LEFT_OUT_TABLE = "skipped"
"""By convention the table of rows that a probe could not measure: shown with the numbers, not folded away."""
HALF_A_DESKTOP, GAP = 560, 28
"""Pixels of half a page on a screen 1,400 wide, and between two figures."""


@dataclass(frozen=True)
class Absence:
    """A subject without numbers, and why."""

    subject: str
    name: str
    failed: bool
    reason: str


@dataclass(frozen=True)
class Row:
    """What stands side by side: figures on one scale, and the subjects that are missing among them."""

    figures: Sequence[PageFigure] = ()
    absences: Sequence[Absence] = ()

    @property
    def paper_scale(self) -> float:
        """What lets two figures stand side by side on paper; where that is too little, three below each other."""
        widest = max((figure.size[0] * MILLIMETRES_A_POINT for figure in self.figures), default=HALF_WIDTH)
        needed = HALF_WIDTH / widest
        return min(1.0, needed) if needed >= SMALLEST else SMALLEST

    @property
    def narrow(self) -> bool:
        """True where half of a desktop's page holds all of it at its own size: the next row may stand beside it."""
        return not self.absences and sum(figure.pixels + GAP for figure in self.figures) <= HALF_A_DESKTOP

    @property
    def stacked(self) -> bool:
        """True where a figure is too wide for half a page."""
        return any(figure.wide for figure in self.figures)


@dataclass(frozen=True)
class Definition:
    """What one number, array or table of a probe means."""

    name: str
    kind: str
    unit: str
    text: str


@dataclass(frozen=True)
class SectionView:
    """One battery entry, ready for the templates."""

    id: str
    probe: str
    version: int
    title: str
    statement: str
    rows: Sequence[Row]
    subjects: Mapping[str, str]
    """Subject -> its models' true names, of those that hold numbers."""
    metrics: Sequence[MetricRow]
    left_out: Mapping[str, Sheet]
    """Subject -> what the probe could not measure within an outcome that is ok."""
    explanation: Explanation
    definitions: Sequence[Definition]
    options: Mapping[str, str]
    prompts: PromptSheet | None
    prompt_sets: Sequence[Mapping[str, str]]
    """Title, source and what_to_see of each prompt set in use; nothing to see where the numbers do not show it."""
    tables: Mapping[str, Mapping[str, Sheet]]
    """Name of a table -> subject -> sheet."""
    failed: bool
    """True where no subject holds numbers and one of them failed."""
    browsers: Mapping[str, Browser] = field(default_factory=dict)
    """Subject -> its features to be searched, on a page."""
    note: str = ""
    """What its author says of it."""
    prompt_notes: Mapping[str, str] = field(default_factory=dict)
    """What a figure calls a prompt -> what its author says of it."""
    words: Mapping[str, SubjectWords] = field(default_factory=dict)
    """Subject -> what is said of it alone."""
    unequal: frozenset[str] = frozenset()
    """Metrics that are of other rows in one subject than in another."""
    side_by_side: SideBySide | None = None
    """The same rows of all subjects, to be compared and sorted on a page."""
    unshown: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    """Subject whose figures and tables are not shown, as there are many -> name and stem of its figures."""

    @property
    def many(self) -> bool:
        """Whether there are so many subjects that a table has a row for each, and not a column."""
        return len(self.subjects) > MANY

    @property
    def shown_paragraphs(self) -> Mapping[str, str]:
        """The paragraphs of the subjects that are shown."""
        return {subject: told for subject, told in self.paragraphs.items() if subject not in self.unshown}

    @property
    def other_paragraphs(self) -> Mapping[str, str]:
        """Those of the others."""
        return {subject: told for subject, told in self.paragraphs.items() if subject in self.unshown}

    @property
    def paragraphs(self) -> Mapping[str, str]:
        """Subject -> its part of the statement, where that is of several and can be parted; else none."""
        told = {subject: words.told for subject, words in self.words.items() if words.told}
        return told if len(told) > 1 else {}

    @property
    def remainder(self) -> str:
        """What the statement says of all subjects together, behind the paragraphs."""
        return self.statement.removeprefix(sentences(self.paragraphs.values())).strip()


def build_view(
    section: Section,
    statement: str,
    drawn: Sequence[PageFigure],
    most: int,
    browsers: Mapping[str, Browser] | None = None,
    words: Mapping[str, SubjectWords] | None = None,
    unshown: Mapping[str, Figure] | None = None,
) -> SectionView:
    """One entry of the battery, and what it found; its tables hold `most` rows at most. Of many subjects the tables of
    some are shown; `unshown` are the figures of the others, by their stems.

    A probe that this installation does not know is shown by its numbers, without title, sentence or definitions.
    """
    first = next(iter(section.outcomes.values()))
    probe = _probe(first)
    ok = section.ok()
    shown = {subject: ok[subject] for subject in choose_shown(list(ok))}
    texts = meanings(probe) if probe is not None else {}
    absences = [
        Absence(subject, subject_name(section, subject), outcome.status == "failed", outcome.reason)
        for subject, outcome in section.outcomes.items()
        if outcome.status != "ok"
    ]
    return SectionView(
        id=section.id,
        probe=first.probe,
        version=first.version,
        title=section.title or (question(probe) if probe is not None else spell_name(first.probe)),
        note=first.notes.get("", ""),
        prompt_notes=_prompt_notes(first),
        statement=statement,
        rows=make_rows(list(section.outcomes), drawn, absences),
        subjects={subject: subject_name(section, subject) for subject in ok},
        metrics=make_metric_rows([outcome.metrics for outcome in ok.values()], texts, _depths(section)),
        left_out=_sheets(ok, LEFT_OUT_TABLE, most),
        explanation=_explanation(probe),
        definitions=_definitions(ok, probe, texts),
        options=_options(first.options),
        prompts=make_prompt_sheet(shown, most),
        prompt_sets=_list_sets(section, first),
        tables=_data(shown, most),
        failed=not ok and any(absence.failed for absence in absences),
        browsers=browsers or {},
        words=words or {},
        unequal=_find_unequal(ok, probe),
        side_by_side=None if probe is None else lay_side_by_side(shown, probe.beside),
        unshown=list_unshown(list(ok), unshown or {}),
    )


def _find_unequal(ok: Mapping[str, Outcome], probe: Probe[Any, Any] | None) -> frozenset[str]:
    """The metrics that are over the rows that could be asked, where these are not the same in all subjects."""
    if probe is None:
        return frozenset()
    left_out = {
        frozenset(str(row[0]) for row in outcome.tables[LEFT_OUT_TABLE].rows)
        if LEFT_OUT_TABLE in outcome.tables
        else frozenset()
        for outcome in ok.values()
    }
    declared = quantities_of(probe.findings)
    return frozenset(name for name, one in declared.items() if one.of_asked and len(left_out) > 1)


def _depths(section: Section) -> list[int]:
    """(subject) blocks of its model, of those that hold numbers; 0 of a pair whose models have not as many."""
    found = ({section.models[id].layers for id in outcome.models} for outcome in section.ok().values())
    return [depths.pop() if len(depths) == 1 else 0 for depths in found]


def subject_name(section: Section, subject: str) -> str:
    """The true name of a model, or of each model of a pair."""
    ids = section.outcomes[subject].models or (subject,)
    return " → ".join(section.models[model].name if model in section.models else model for model in ids)


def make_rows(subjects: Sequence[str], drawn: Sequence[PageFigure], absences: Sequence[Absence]) -> list[Row]:
    """Figures of one name next to each other, in the order of subjects; what is missing stands next to the first."""
    together: dict[str, list[PageFigure]] = {}
    for figure in drawn:
        together.setdefault(figure.description.name, []).append(figure)
    found = [Row(figures) for figures in together.values()]
    if not absences:
        return _merge_rows(found)
    if found and all(len(figure.description.subject) == 1 for figure in found[0].figures):
        return [Row(found[0].figures, absences), *_merge_rows(found[1:])]
    return [Row(absences=absences), *_merge_rows(found)]


def _merge_rows(found: list[Row]) -> list[Row]:
    """Rows of one figure each become one row, so that the figures of a single model stand side by side too."""
    if len(found) > 1 and all(len(row.figures) == 1 for row in found):
        return [Row([row.figures[0] for row in found])]
    return found


def _prompt_notes(outcome: Outcome) -> dict[str, str]:
    return {outcome.titles.get(called, called): note for called, note in outcome.notes.items() if called}


def _probe(outcome: Outcome) -> Probe[Any, Any] | None:
    try:
        return registry.find(outcome.probe)
    except ReportgenError:
        return None


def _explanation(probe: Probe[Any, Any] | None) -> Explanation:
    """The probe's paragraphs as sentences: in its docstring they go on after "Shows:"."""
    if probe is None:
        return Explanation("", "", "")
    said = explanation(probe)
    return Explanation(*(text[:1].upper() + text[1:] for text in (said.shows, said.read, said.computed)))


def _data(ok: Mapping[str, Outcome], most: int) -> dict[str, Mapping[str, Sheet]]:
    """All tables but those that have a place of their own."""
    names = dict.fromkeys(name for outcome in ok.values() for name in outcome.tables)
    found = {spell_name(name): _sheets(ok, name, most) for name in names if name not in (LEFT_OUT_TABLE, PROMPTS_TABLE)}
    return {name: sheets for name, sheets in found.items() if sheets}


def _sheets(ok: Mapping[str, Outcome], name: str, most: int) -> dict[str, Sheet]:
    """The table of one name of every subject that has rows in it."""
    tables = {subject: outcome.tables[name] for subject, outcome in ok.items() if name in outcome.tables}
    return {subject: make_sheet(table, most) for subject, table in tables.items() if table.rows}


def _definitions(
    ok: Mapping[str, Outcome], probe: Probe[Any, Any] | None, texts: Mapping[str, str]
) -> list[Definition]:
    """Of everything that is named in any outcome; an array may have the name of a metric."""
    found: dict[tuple[str, str], Definition] = {}
    number = say("section.number", "number")
    for outcome in ok.values():
        for name, metric in outcome.metrics.items():
            found["metric", name] = Definition(name, number, unit_of(metric.unit), texts.get(name, ""))
        for name, table in outcome.tables.items():
            found["table", name] = Definition(name, ", ".join(table.columns), "", texts.get(name, ""))
        for name, array in outcome.arrays.items():
            whole = name.split("/")[0]
            meaning = "" if probe is None else meaning_of_array(probe, name, texts)
            dims = " × ".join(array.dims)
            found.setdefault(("array", whole), Definition(whole, dims, unit_of(array.unit), meaning))
    return list(found.values())


def _options(options: Mapping[str, Any]) -> dict[str, str]:
    told = {name: _without_prompts(value) for name, value in options.items() if name != "prompts"}
    return {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in told.items()
        if value is not None
    }


def _without_prompts(value: Any) -> Any:
    """An option without the prompts in it, which stand in a list of their own; None where nothing else is."""
    if (
        isinstance(value, list)
        and value
        and all(isinstance(one, dict) and {"text", "messages"} & {*one} for one in value)
    ):
        return None
    if isinstance(value, dict):
        return {name: told for name, one in value.items() if (told := _without_prompts(one)) is not None} or None
    return value


def _list_sets(section: Section, first: Outcome) -> list[Mapping[str, str]]:
    """The prompt sets, without what is expected of them where nothing of the kind was found."""
    expected = any(one.get("what_to_see") for one in first.prompt_sets.values())
    if not expected or not finds_nothing(section):
        return list(first.prompt_sets.values())
    return [{**one, "what_to_see": ""} for one in first.prompt_sets.values()]
