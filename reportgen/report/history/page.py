"""A history as one HTML page: what stepped, then every gated metric over its runs."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from reportgen.baseline.history import Course, History
from reportgen.figures.step_scale import StepScale
from reportgen.numerals import UNDEFINED, count_items, write_change
from reportgen.report.content.drawn import PageFigure
from reportgen.report.content.figure_data import add_data, find_hidden_texts
from reportgen.report.content.numerals import IN_TABLES, write_table_number
from reportgen.report.content.sections import Row, make_rows
from reportgen.report.history.timelines import WORDS, subject_name
from reportgen.report.templates.templating import fill_page
from reportgen.spelling import capitalize_first

MOST_TOLD = 60
"""Steps, changes of what is measured, and bundles left out, of each so many are listed; history.json has them all."""


@dataclass(frozen=True)
class OpeningLine:
    """One line of the opening, and the section it is about."""

    text: str
    probe_id: str


@dataclass(frozen=True)
class Line:
    """One metric in the table of its section."""

    metric: str
    unit: str
    name: str
    """Of its model, or its two."""
    first: str
    last: str
    allowed: str
    """What it may be off its level by now."""
    nights: str
    """How many have a value."""
    steps: str


@dataclass(frozen=True)
class SectionView:
    """One entry of the battery."""

    id: str
    probe: str
    rows: Sequence[Row]
    lines: Sequence[Line]


def render_page(history: History, drawings: Mapping[str, Sequence[PageFigure]], data: str) -> str:
    """The page: one file that asks the network for nothing.

    Args:
        history: what it tells.
        drawings: probe id -> the figures of `timelines.describe_history`.
        data: name of the JSON file next to it.
    """
    carried = {probe_id: [add_data(one) for one in of_probe] for probe_id, of_probe in drawings.items()}
    steps = [
        OpeningLine(capitalize_first(history.describe_step(course, step)), course.probe_id)
        for course, step in history.steps
    ]
    begun = [OpeningLine(capitalize_first(history.describe_beginning(one)), one.probe_id) for one in history.beginnings]
    context = {
        "target": "page",
        "title": f"{history.title} – history",
        "data": data,
        "summary": _summary(history),
        "words": WORDS[history.order],
        "scale": _describe_scale(history),
        "unplaced": history.unplaced,
        "steps": steps[:MOST_TOLD],
        "begun": begun[:MOST_TOLD],
        "left_out": history.left_out[:MOST_TOLD],
        "unlisted": sum(max(len(told) - MOST_TOLD, 0) for told in (steps, begun, history.left_out)),
        "ungated": history.ungated,
        "sections": list(_sections(history, carried)),
    }
    said = find_hidden_texts(carried)
    return fill_page(context, body="history.html.j2", shell="page.html.j2", models=list(history.models), packed=said)


def _summary(history: History) -> str:
    """What was read and what was found."""
    words = WORDS[history.order]
    runs = count_items(len(history.runs), words.run)
    first, last = history.labels[0], history.labels[-1]
    span = f"from “{first}” to “{last}”" if len(history.runs) > 1 else f"“{first}”"
    stepped = sum(bool(course.steps) for course in history.courses)
    share = f"{write_table_number(stepped) if stepped else 'none'} of {count_items(len(history.courses), 'metric')}"
    return f"{runs}, {span}: {share} {words.moved}."


def _describe_scale(history: History) -> str:
    """What is said of the axis of a training; empty where runs stand evenly."""
    steps = [run.step for run in history.runs if run.step is not None]
    return StepScale.of(steps).words if steps else ""


def _sections(history: History, drawings: Mapping[str, Sequence[PageFigure]]) -> Iterator[SectionView]:
    for probe_id in dict.fromkeys(course.probe_id for course in history.courses):
        courses = [course for course in history.courses if course.probe_id == probe_id]
        yield SectionView(
            id=probe_id,
            probe=courses[-1].probe,
            rows=make_rows([], drawings.get(probe_id, ()), []),
            lines=[_line(history, course) for course in courses],
        )


def _line(history: History, course: Course) -> Line:
    known = [value for value in course.values if math.isfinite(value)]
    levels = [plateau.level for segment in course.segments for plateau in segment.plateaus]
    first, last = write_change(known[0] if known else None, course.values[-1], significant=IN_TABLES)
    return Line(
        metric=course.label,
        unit=course.unit,
        name=subject_name(history, course),
        first=first,
        last=last,
        allowed=f"± {write_table_number(course.tolerance.bound(abs(levels[-1])))}" if levels else UNDEFINED,
        nights=write_table_number(len(known)),
        steps=write_table_number(len(course.steps)),
    )
