"""What a report begins with: a sentence of each section that is worth it, or a table where the models are many."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reportgen.language import list_items, say
from reportgen.numerals import UNDEFINED
from reportgen.report.content.drawn import PageFigure
from reportgen.report.content.sections import SectionView
from reportgen.report.content.sheets import MetricRow

MOST_FINDINGS = 6
MANY_MODELS = 4
"""Models from which sentences about each are too long to tell them apart."""
MOST_METRICS = 2
"""Numbers that stand for a probe without words of its own."""


@dataclass(frozen=True)
class Finding:
    """What one section found, or that it could not."""

    section: str
    title: str
    text: str
    failed: bool
    pictures: Sequence[PageFigure]
    """What it is seen in: of the section's figures the first of each model, where a small drawing of it is at hand."""


@dataclass(frozen=True)
class FindingsTable:
    """Findings about many models: a column a section, a row a model."""

    columns: Sequence[Finding]
    rows: Mapping[str, Sequence[str]]
    """Model -> (column) what was found about it, in a few words."""


def choose_findings(told: Sequence[tuple[str, str]]) -> list[str]:
    """The ids of at most `MOST_FINDINGS` sections, of (id, probe) of all that have a statement, in their order.

    Where more have one, those of kinds of probes that have not been heard yet come before further ones of a kind.
    """
    first = {probe: section for section, probe in reversed(told)}.values()
    by_news = sorted((section for section, _ in told), key=lambda section: section not in first)
    return [section for section, _ in told if section in by_news[:MOST_FINDINGS]]


def list_findings(sections: Sequence[SectionView]) -> list[Finding]:
    """The sentences of those that `choose_findings` chooses, and every section that failed, in the report's order."""
    chosen = choose_findings([(section.id, section.probe) for section in sections if section.statement])
    return [_finding(section) for section in sections if section.failed or section.id in chosen]


def _finding(section: SectionView) -> Finding:
    unmeasured = say("opening.not_measured", "{title} – failed.", title=section.title)
    pictures = [one for row in section.rows for one in row.figures if one.thumbnail and not one.left_out]
    return Finding(section.id, section.title, section.statement or unmeasured, section.failed, pictures)


def tabulate_findings(
    findings: Sequence[Finding], sections: Sequence[SectionView], models: Sequence[str]
) -> FindingsTable | None:
    """The findings about each model alone, where the models are many; None where they are few, or nothing is."""
    if len(models) < MANY_MODELS:
        return None
    by_id = {section.id: section for section in sections}
    columns = [one for one in findings if not one.failed and _is_of_models(by_id[one.section], models)]
    if not columns:
        return None
    return FindingsTable(
        columns, {model: [_tell_briefly(by_id[one.section], model) for one in columns] for model in models}
    )


def _is_of_models(section: SectionView, models: Sequence[str]) -> bool:
    return len(section.subjects) > 1 and set(section.subjects) <= set(models)


def _tell_briefly(section: SectionView, model: str) -> str:
    """The probe's few words about a model, or the numbers that tell it from the others; a dash where it has none."""
    if model not in section.subjects:
        return UNDEFINED
    words = section.words.get(model)
    if words is not None and words.brief:
        return words.brief
    at = list(section.subjects).index(model)
    furthest = sorted(section.metrics, key=lambda line: -line.spread)[:MOST_METRICS]
    return list_items([_tell_metric(line, at) for line in section.metrics if line in furthest]) or UNDEFINED


def _tell_metric(line: MetricRow, at: int) -> str:
    return " ".join(filter(None, (line.label, line.entries[at].text, line.unit)))
