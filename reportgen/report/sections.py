"""What a section of a report says, in its reading order, before any template sees it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reportgen import registry
from reportgen.errors import ReportgenError
from reportgen.probes.base import Explanation, Probe, Section, explanation
from reportgen.report.drawn import Drawn
from reportgen.report.prompts import PromptSheet, prompt_sheet
from reportgen.report.sheets import MetricRow, Sheet, metric_rows, sheet, spaced
from reportgen.result import Outcome, Table, definitions

LEFT_OUT_TABLE = "skipped"
"""By convention the table of rows that a probe could not measure: shown with the numbers, not folded away."""


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

    figures: Sequence[Drawn] = ()
    absences: Sequence[Absence] = ()

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
    left_out: Sequence[tuple[str, Sheet]]
    """(subject, sheet) of what the probe could not measure within an outcome that is ok."""
    explanation: Explanation
    definitions: Sequence[Definition]
    options: Mapping[str, str]
    prompts: PromptSheet | None
    tables: Sequence[tuple[str, Sheet]]
    """(subject, sheet), capped."""
    failed: bool
    """True where no subject holds numbers and one of them failed."""


def view(section: Section, drawn: Sequence[Drawn], most: int) -> SectionView:
    """One entry of the battery; its tables hold `most` rows at most.

    A probe that this installation does not know is shown by its numbers, without title, sentence or definitions.
    """
    first = next(iter(section.outcomes.values()))
    probe = _probe(first)
    ok = section.ok()
    texts = definitions(probe.findings) if probe is not None else {}
    absences = [
        Absence(subject, subject_name(section, subject), outcome.status == "failed", outcome.reason)
        for subject, outcome in section.outcomes.items()
        if outcome.status != "ok"
    ]
    return SectionView(
        id=section.id,
        probe=first.probe,
        version=first.version,
        title=probe.question if probe is not None else spaced(first.probe),
        statement=probe.statement(section) if probe is not None and ok else "",
        rows=rows(list(section.outcomes), drawn, absences),
        subjects={subject: subject_name(section, subject) for subject in ok},
        metrics=metric_rows([outcome.metrics for outcome in ok.values()], texts),
        left_out=_sheets(ok, most, only=LEFT_OUT_TABLE),
        explanation=explanation(probe) if probe is not None else Explanation("", "", ""),
        definitions=_definitions(ok, texts),
        options=_options(first.options),
        prompts=prompt_sheet(ok, most),
        tables=_sheets(ok, most, without=(LEFT_OUT_TABLE, "prompts")),
        failed=not ok and any(absence.failed for absence in absences),
    )


def subject_name(section: Section, subject: str) -> str:
    """The true name of a model, or of each model of a pair."""
    ids = section.outcomes[subject].models or (subject,)
    return " → ".join(section.models[model].name if model in section.models else model for model in ids)


def rows(subjects: Sequence[str], drawn: Sequence[Drawn], absences: Sequence[Absence]) -> list[Row]:
    """Figures of one name beside each other, in the order of subjects; what is missing stands beside the first ones."""
    together: dict[str, list[Drawn]] = {}
    for figure in drawn:
        together.setdefault(figure.description.name, []).append(figure)
    found = [Row(figures) for figures in together.values()]
    if not absences:
        return _merged(found)
    if found and all(len(figure.description.subject) == 1 for figure in found[0].figures):
        return [Row(found[0].figures, absences), *_merged(found[1:])]
    return [Row(absences=absences), *_merged(found)]


def _merged(found: list[Row]) -> list[Row]:
    """Rows of one figure each become one row, so that the figures of a single model stand side by side too."""
    if len(found) > 1 and all(len(row.figures) == 1 for row in found):
        return [Row([row.figures[0] for row in found])]
    return found


def _probe(outcome: Outcome) -> Probe[Any, Any] | None:
    try:
        return registry.find(outcome.probe)
    except ReportgenError:
        return None


def _sheets(
    ok: Mapping[str, Outcome], most: int, *, only: str | None = None, without: Sequence[str] = ()
) -> list[tuple[str, Sheet]]:
    names = dict.fromkeys(name for outcome in ok.values() for name in outcome.tables)
    chosen = [name for name in names if name not in without and only in (None, name)]
    return [
        (subject, sheet(spaced(name), outcome.tables[name], most))
        for name in chosen
        for subject, outcome in ok.items()
        if _has_rows(outcome.tables.get(name))
    ]


def _has_rows(table: Table | None) -> bool:
    return table is not None and bool(table.rows)


def _definitions(ok: Mapping[str, Outcome], texts: Mapping[str, str]) -> list[Definition]:
    units: dict[str, tuple[str, str]] = {}
    for outcome in ok.values():
        units |= {name: ("number", metric.unit) for name, metric in outcome.metrics.items()}
        units |= {name: (", ".join(table.columns), "") for name, table in outcome.tables.items()}
        for name, array in outcome.arrays.items():
            units.setdefault(name.split("/")[0], (" × ".join(array.dims), array.unit))
    return [Definition(name, kind, unit, texts.get(name, "")) for name, (kind, unit) in units.items()]


def _options(options: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in options.items()
        if name != "prompts" and value is not None
    }
