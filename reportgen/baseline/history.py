"""Every gated metric of many bundles, run after run: its levels, and the runs on which it stepped."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from reportgen.baseline.comparable import explain_incomparable
from reportgen.baseline.environment import list_differences, summarise_environment
from reportgen.baseline.runs import Order, StoredRun, find_runs, label_runs, order_of, read_metrics, sort_in_order
from reportgen.baseline.steps import Plateau, Step, find_plateaus, list_steps
from reportgen.baseline.tolerance import COUNT, MEASURED, RANK, Entries, Tolerance, tolerance_of
from reportgen.baseline.training import read_by_step
from reportgen.baseline.watched import Watch, Watcher, is_watched, label_quantity, quantity_of
from reportgen.errors import BundleError, Mistake
from reportgen.numerals import write_change
from reportgen.results.bundle import Bundle
from reportgen.results.quantities import Metric, Outcome
from reportgen.results.section import ModelCard

TRAINED = ("weights_sha256", "revision", "source")
"""What every checkpoint of a training has of its own: no cause of a change between two."""
Path3 = tuple[str, str, str]
"""Probe id, subject, name of a metric."""


@dataclass(frozen=True)
class Segment:
    """Runs on which the same was measured in the same way."""

    first: int
    """Counted from 0."""
    reason: str
    """What became another; empty for the first."""
    plateaus: tuple[Plateau, ...]
    """Its levels; runs between two of them are a ramp."""

    @property
    def steps(self) -> list[Step]:
        """What lies between its levels."""
        return list_steps(self.plateaus)


@dataclass(frozen=True)
class Course:
    """One metric over all runs."""

    probe_id: str
    subject: str
    name: str
    probe: str
    models: tuple[str, ...]
    unit: str
    tolerance: Tolerance
    values: tuple[float, ...]
    """(run) NaN where it was not measured, or is undefined."""
    segments: tuple[Segment, ...]

    @property
    def path(self) -> str:
        """PROBE_ID.SUBJECT.NAME."""
        return f"{self.probe_id}.{self.subject}.{self.name}"

    @property
    def label(self) -> str:
        """Its name in words."""
        return label_quantity(self.name)

    @property
    def steps(self) -> list[Step]:
        """All its steps, in order; where another thing began to be measured there is none."""
        return [step for segment in self.segments for step in segment.steps]


@dataclass(frozen=True)
class Beginning:
    """Where something else began to be measured in a probe on a subject."""

    first: int
    """The run, counted from 0."""
    probe_id: str
    subject: str
    reason: str


@dataclass(frozen=True)
class History:
    """What many bundles say together."""

    title: str
    """The last run's."""
    order: Order
    runs: tuple[StoredRun, ...]
    labels: tuple[str, ...]
    """(run) what it is called."""
    models: Mapping[str, str]
    """Id -> true name, as the last run that has it says."""
    courses: tuple[Course, ...]
    """In the order of the battery."""
    cards: tuple[Mapping[str, ModelCard], ...]
    """(run) its models by id."""
    ungated: int
    """Metrics that are left out, as no comparison would fail by them."""
    left_out: tuple[Mistake, ...]
    """Bundles that could not be read, and why; their files as they are named below the folder."""
    unwatched: tuple[str, ...] = ()
    """What was to be watched and has no value, and why; a line each."""
    unplaced: tuple[str, ...] = ()
    """What stands at no step of the training, and why; a line each."""

    @property
    def steps(self) -> list[tuple[Course, Step]]:
        """Every step, the latest first; those of one night in the order of the battery."""
        found = [(course, step) for course in self.courses for step in course.steps]
        return sorted(found, key=lambda pair: -pair[1].first)

    @property
    def beginnings(self) -> list[Beginning]:
        """Where something else began to be measured, in the same order; once for all metrics of an outcome."""
        found = {
            Beginning(segment.first, course.probe_id, course.subject, segment.reason): None
            for course in self.courses
            for segment in course.segments[1:]
        }
        return sorted(found, key=lambda one: -one.first)

    def describe_changes(self) -> list[str]:
        """What changed on which night, a line each, the latest first: what began to be measured, then what stepped."""
        begun = [(one.first, self.describe_beginning(one)) for one in self.beginnings]
        stepped = [(step.first, self.describe_step(course, step)) for course, step in self.steps]
        return [text for _, text in sorted([*begun, *stepped], key=lambda one: -one[0])]

    def describe_step(self, course: Course, step: Step) -> str:
        """A step in one line: "night 2026-11-20: weather.gemma.entropy stepped from 1.2 to 1.5; changed: weights of
        gemma".
        """
        before, after = write_change(step.before, step.after)
        first = self._call(step.first)
        cause = self.describe_cause(course, step)
        changed = f"; changed: {cause}" if cause else ""
        verb = "went" if self.order == "step" else "stepped"
        if step.ramp:
            words = f"{self._call(step.first, 's')} to {self.labels[step.last]}"
            return f"{words}: {course.path} went from {before} to {after}{changed}"
        return f"{first}: {course.path} {verb} from {before} to {after}{changed}"

    def describe_beginning(self, one: Beginning) -> str:
        """The same of where something else began to be measured."""
        where = f"{self._call(one.first)}: {one.probe_id}.{one.subject}"
        return f"{where} is not comparable with before: {one.reason}"

    def describe_cause(self, course: Course, step: Step) -> str:
        """What changed around the numbers from the last run on the old level to the first on the new, of its own
        models, libraries and machine; empty if nothing did that is recorded.
        """
        before = max((at for at in range(step.first) if math.isfinite(course.values[at])), default=0)
        old, new = (Bundle(None, "", self.cards[at], {}, self.runs[at].surroundings) for at in (before, step.last))
        found = list_differences(old, new)
        of_course = [one for one in found if not one.model or one.model in course.models]
        told = [one for one in of_course if self.order != "step" or one.what not in TRAINED]
        return summarise_environment(told)

    def _call(self, run: int, ending: str = "") -> str:
        """A run in a line of text, or the first of several: a label says it where it is a step."""
        words = {"started": f"night{ending} ", "name": f"bundle{ending} ", "step": ""}
        return f"{words[self.order]}{self.labels[run]}"


@dataclass
class _MetricSeries:
    """One metric while the runs are read."""

    outcome: Outcome
    values: list[float]
    metric: Metric
    whole: bool = True
    begins: list[tuple[int, str]] = field(default_factory=list)
    """First run and reason of each segment."""


def read_history(
    folder: Path, written: Entries, calibrated: Entries, order: Order | None = None, watches: Sequence[Watch] = ()
) -> History:
    """Reads every bundle below a folder, one after the other, and finds where each gated metric stepped.

    Args:
        folder: holds bundles in folders of any depth.
        written: the tolerances of a battery: within them nothing is a step.
        calibrated: those that were measured with a baseline.
        order: of the runs; `order_of` them where it is not given.
        watches: values of arrays that are followed as metrics are, gated or not.

    Raises:
        BundleError: no bundle can be read.
        BatteryError: what is to be watched has a value in none.
    """
    found, left_out = find_runs(folder)
    used = order or order_of(found)
    collector, watcher = _Collector(), Watcher(watches)

    def read(run: StoredRun) -> Bundle:
        return watcher.read(run.folder) if watches else read_metrics(run.folder)

    kept: list[StoredRun] = []
    unplaced: list[str] = []
    if used == "step":
        by_step = read_by_step(found, read)
        left_out += by_step.left_out
        unplaced = by_step.unplaced
        for run, bundle in by_step.found:
            collector.add(bundle)
            kept.append(run)
    else:
        for run in sort_in_order(found, used):
            try:
                collector.add(read(run))
                kept.append(run)
            except BundleError as error:
                left_out.extend(error.mistakes)
    if not kept:
        reason = f"; the first: {left_out[0].message}" if left_out else ""
        raise BundleError(Mistake(f"no bundle below it can be read{reason}", "name a folder of bundles", file=folder))
    watcher.refuse_unseen()
    courses = list(collector.courses(written, calibrated))
    gated = tuple(course for course in courses if course.tolerance.gate or is_watched(course.name))
    return History(
        title=collector.title,
        order=used,
        runs=tuple(kept),
        labels=tuple(label_runs(kept, used)),
        models=collector.models,
        courses=gated,
        cards=tuple(collector.cards),
        ungated=len(courses) - len(gated),
        left_out=tuple(replace(mistake, file=_name_below(folder, mistake.file)) for mistake in left_out),
        unwatched=watcher.unwatched,
        unplaced=tuple(unplaced),
    )


def _name_below(folder: Path, file: Path | str | None) -> str:
    """A file as its folder's reader names it: a page tells nobody where it was made."""
    return Path(file or folder).relative_to(folder).as_posix()


class _Collector:
    """The metrics of one bundle after the other; of each only what its course needs is kept."""

    def __init__(self) -> None:
        self.title = ""
        self.models: dict[str, str] = {}
        self.cards: list[Mapping[str, ModelCard]] = []
        self._count = 0
        self._last: dict[tuple[str, str], tuple[Outcome, Bundle]] = {}
        self._found: dict[Path3, _MetricSeries] = {}
        self._probes: dict[str, None] = {}

    def add(self, bundle: Bundle) -> None:
        """The next run."""
        self.title = bundle.title
        self.models |= {id: card.name for id, card in bundle.models.items()}
        self.cards.append(bundle.models)
        for probe_id, by_subject in bundle.outcomes.items():
            self._probes.setdefault(probe_id)
            for subject, outcome in by_subject.items():
                if outcome.status == "ok":
                    self._add(probe_id, subject, outcome, bundle)
        self._count += 1

    def _add(self, probe_id: str, subject: str, outcome: Outcome, bundle: Bundle) -> None:
        before = self._last.get((probe_id, subject))
        reason = explain_incomparable(before[0], outcome, before[1], bundle) if before else ""
        self._last[probe_id, subject] = outcome, bundle
        for name, metric in outcome.metrics.items():
            one = self._found.setdefault(
                (probe_id, subject, name), _MetricSeries(outcome, [], metric, begins=[(0, "")])
            )
            one.values.extend([math.nan] * (self._count - len(one.values)))
            if metric.value is not None:
                one.values.append(float(metric.value))
                one.whole = one.whole and isinstance(metric.value, int)
            if not reason and metric.unit != one.metric.unit:
                units = f"{one.metric.unit or 'none'} → {metric.unit or 'none'}"
                one.begins.append((self._count, f"another unit: {units}"))
            one.outcome, one.metric = outcome, metric
        if reason:
            for (of_probe, of_subject, _), one in self._found.items():
                if (of_probe, of_subject) == (probe_id, subject):
                    one.begins.append((self._count, reason))

    def courses(self, written: Entries, calibrated: Entries) -> Iterator[Course]:
        """Every metric that was ever measured, with its levels."""
        places = {probe_id: at for at, probe_id in enumerate(self._probes)}
        for path, one in sorted(self._found.items(), key=lambda item: places[item[0][0]]):
            kind = COUNT if one.whole else MEASURED
            if is_watched(path[2]):
                kind = RANK if one.metric.unit == "rank" else MEASURED
            tolerated = ".".join((*path[:2], quantity_of(path[2])))
            tolerance = tolerance_of(tolerated, kind, written, calibrated, one.metric.direction)
            values = [*one.values, *[math.nan] * (self._count - len(one.values))]
            yield Course(
                *path,
                probe=one.outcome.probe,
                models=one.outcome.models,
                unit=one.metric.unit,
                tolerance=tolerance,
                values=tuple(values),
                segments=tuple(_segments(values, one.begins, tolerance)),
            )


def _segments(values: Sequence[float], begins: Sequence[tuple[int, str]], tolerance: Tolerance) -> Iterator[Segment]:
    ends = [first for first, _ in begins[1:]] + [len(values)]
    for (first, reason), end in zip(begins, ends, strict=True):
        found = find_plateaus(values[first:end], lambda level: tolerance.bound(abs(level)))
        moved = (Plateau(one.first + first, one.last + first, one.level) for one in found)
        yield Segment(first, reason, tuple(moved))
