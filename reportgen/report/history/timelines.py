"""What the figures of a history show."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from reportgen.baseline.history import Course, History
from reportgen.baseline.runs import Order
from reportgen.figures.describe import Band, Timeline, Timelines

MOST = 12
"""Timelines of one figure."""


@dataclass(frozen=True)
class Words:
    """What a page calls the bundles of a history, and what became of a metric."""

    run: str
    moved: str = "stepped"
    heading: str = "What stepped"

    @property
    def runs(self) -> str:
        """Of several."""
        return f"{self.run}s"


WORDS: Mapping[Order, Words] = {
    "started": Words("night"),
    "name": Words("bundle"),
    "step": Words("checkpoint", "changed level", "What changed its level"),
}


def describe_history(history: History) -> dict[str, list[Timelines]]:
    """Probe id -> its figures, one a subject, or several where it has many metrics."""
    found: dict[str, dict[str, list[Course]]] = {}
    for course in history.courses:
        found.setdefault(course.probe_id, {}).setdefault(course.subject, []).append(course)
    return {
        probe_id: [figure for courses in by_subject.values() for figure in _figures(history, courses)]
        for probe_id, by_subject in found.items()
    }


def subject_name(history: History, course: Course) -> str:
    """The true name of its model, or of each of a pair."""
    return " → ".join(history.models.get(model, model) for model in course.models)


def _figures(history: History, courses: Sequence[Course]) -> Iterator[Timelines]:
    for part, start in enumerate(range(0, len(courses), MOST)):
        shown = courses[start : start + MOST]
        words = WORDS[history.order]
        stepped = [course.label for course in shown if course.steps]
        yield Timelines(
            name=f"metrics-{part + 1}",
            subject=shown[0].models,
            title=subject_name(history, shown[0]),
            alt=f"{len(shown)} metrics over {len(history.runs)} {words.runs}; "
            + (f"these {words.moved}: {', '.join(stepped)}" if stepped else f"none of them {words.moved}"),
            runs=history.labels,
            timelines=[_timeline(course) for course in shown],
            model=shown[0].models[-1],
            steps=[run.step for run in history.runs if run.step is not None],
        )


def _timeline(course: Course) -> Timeline:
    return Timeline(
        label=course.label,
        unit=course.unit,
        values=course.values,
        bands=tuple(_bands(course)),
        steps=tuple((step.first, step.last) for step in course.steps),
        breaks=tuple(segment.first for segment in course.segments[1:]),
    )


def _bands(course: Course) -> Iterator[Band]:
    for segment in course.segments:
        for plateau in segment.plateaus:
            allowed = course.tolerance.bound(abs(plateau.level))
            yield Band(
                first=plateau.first,
                last=plateau.last,
                lower=plateau.level - allowed,
                upper=plateau.level + allowed,
            )
