"""What the page of a comparison says, in its reading order, before any template sees it."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reportgen.baseline.compare import Comparison, Judgement, OutcomeComparison
from reportgen.baseline.judgements import (
    conclusion,
    count_verdicts,
    describe_beginning,
    describe_subject,
    describe_verdict,
    find_beginnings,
    shorten_text,
)
from reportgen.baseline.quantities import Change, describe_place
from reportgen.baseline.verdict import DRIFT, FAILED, QUIET, Verdict
from reportgen.errors import ReportgenError
from reportgen.numerals import UNDEFINED, write_change, write_count, write_share
from reportgen.probes import registry
from reportgen.probing.probe import Probe, meaning_of_array, meanings, question
from reportgen.report.content.drawn import PageFigure
from reportgen.report.content.numerals import digits_of
from reportgen.report.content.prompts import PromptSheet, make_prompt_sheet
from reportgen.report.content.sections import Row
from reportgen.report.content.sheets import spell_name
from reportgen.results.bundle import Bundle
from reportgen.results.quantities import Array, Outcome
from reportgen.spelling import capitalize_first

MEANINGS = {
    3: "At least one probe of the bundle could not be measured, so its result is unknown.",
    4: "At least one gated number moved further than its tolerance allows, lost its value or vanished.",
    5: "At least one probe measured something different from the baseline; what was measured in both is unchanged.",
}
"""Exit code -> what it means."""
WITH_A_SECTION = FAILED | DRIFT | {Verdict.BETTER, Verdict.DEFINED}
MOST_HEADED = 5
"""Models whose first layer beyond tolerance stands at the head."""
Number = float | None


@dataclass(frozen=True)
class ListLimits:
    """How much of each kind is listed."""

    rows: int
    """Of a table."""
    sections: int


@dataclass(frozen=True)
class Beginning:
    """Where a model is first beyond tolerance, and the section that shows it."""

    told: str
    section: str


@dataclass(frozen=True)
class Line:
    """One changed quantity in the table of its section."""

    name: str
    unit: str
    definition: str
    verdict: str
    gate: bool
    before: str
    after: str
    worst: str
    allowed: str
    where: str
    """The place of the largest difference, or in words what changed."""
    prompts: str
    """What the prompts say of it whose mean it is; empty where nothing is known of them."""
    first: str


@dataclass(frozen=True)
class SectionView:
    """One probe on one subject in which something changed."""

    id: str
    probe_id: str
    subject: str
    """As in results.json."""
    name: str
    """True names of its models."""
    probe: str
    title: str
    verdict: str
    failed: bool
    statement: str
    reason: str
    """Why there are no numbers; empty where there are."""
    rows: Sequence[Row]
    lines: Sequence[Line]
    lines_left_out: int
    quiet: str
    """How many of its quantities did not change, in words."""
    prompts: PromptSheet | None
    subjects: Mapping[str, str]


@dataclass(frozen=True)
class ListLine:
    """A line of one of the lists at the end."""

    probe_id: str
    name: str
    what: str
    """The quantity, several of them, or the verdict."""
    cells: tuple[str, ...] = ()


@dataclass(frozen=True)
class Listing:
    """A list at the end, its first lines."""

    lines: Sequence[ListLine]
    total: int

    @property
    def left_out(self) -> int:
        """Lines that are only in comparison.json."""
        return self.total - len(self.lines)


@dataclass(frozen=True)
class View:
    """A comparison, ready for the templates."""

    title: str
    conclusion: str
    meaning: str
    exit_code: int
    beginnings: Sequence[Beginning]
    beginnings_left_out: int
    counts: str
    measured_elsewhere: str
    """That the tolerances were measured on other kinds of machine; empty where they were not."""
    before: str
    after: str
    """Titles of the two bundles."""
    environment: Sequence[tuple[str, str, str]]
    environment_left_out: int
    cached: Sequence[str]
    sections: Sequence[SectionView]
    sections_left_out: int
    others: Listing
    within: Listing
    same: Listing
    notes: Sequence[str] = field(default=())
    """What was left out of the page."""


def list_loud_sections(comparison: Comparison) -> list[tuple[OutcomeComparison, list[Judgement]]]:
    """What has a section of its own, each with the judgements about it: worst first, as the comparison has them."""
    return [(outcome, judged) for outcome, judged in _by_outcome(comparison) if outcome.verdict in WITH_A_SECTION]


def build_view(
    comparison: Comparison, pictures: Mapping[tuple[str, str], Sequence[Sequence[PageFigure]]], most: ListLimits
) -> View:
    """All that a page says; `pictures` holds rows of figures by (probe id, subject)."""
    begun = find_beginnings(comparison.judgements)
    loud = list_loud_sections(comparison)
    environment = [
        (shorten_text(one.label), shorten_text(one.before), shorten_text(one.after)) for one in comparison.environment
    ]
    sections = [_section(comparison, *one, pictures, most) for one in loud[: most.sections]]
    return View(
        title=comparison.title,
        conclusion=conclusion(comparison),
        meaning=_meaning(comparison),
        exit_code=comparison.exit_code,
        beginnings=[_beginning(one, comparison, sections) for one in begun[:MOST_HEADED]],
        beginnings_left_out=max(0, len(begun) - MOST_HEADED),
        counts=count_verdicts(comparison.judgements),
        measured_elsewhere=capitalize_first(shorten_text(comparison.measured_elsewhere)),
        before=comparison.before.title,
        after=comparison.after.title,
        environment=environment[: most.rows],
        environment_left_out=max(0, len(environment) - most.rows),
        cached=list(_note_cached(comparison)),
        sections=sections,
        sections_left_out=len(loud) - len(sections),
        others=_list_others(comparison, most),
        within=_list_within(comparison, most),
        same=_list_same(comparison, most),
    )


def _by_outcome(comparison: Comparison) -> list[tuple[OutcomeComparison, list[Judgement]]]:
    found: dict[tuple[str, str], list[Judgement]] = {}
    for one in comparison.judgements:
        found.setdefault((one.outcome.probe_id, one.outcome.subject), []).append(one)
    return [(outcome, found[outcome.probe_id, outcome.subject]) for outcome in comparison.compared]


def _meaning(comparison: Comparison) -> str:
    verdicts = {one.verdict for one in comparison.compared}
    if not verdicts:
        return "There was nothing to compare."
    if verdicts == {Verdict.NOT_COMPARABLE}:
        return "Nothing could be compared: no probe measured what the baseline did."
    if comparison.exit_code:
        return MEANINGS[comparison.exit_code]
    if verdicts <= {Verdict.SAME}:
        return "Every number, list and table is unchanged."
    if verdicts <= QUIET:
        return "Every number is unchanged, or within its tolerance."
    return "No gated number got worse beyond its tolerance; what is better, new or not gated is listed below."


def _beginning(judgement: Judgement, comparison: Comparison, sections: Sequence[SectionView]) -> Beginning:
    section = _id(judgement.outcome)
    shown = any(one.id == section for one in sections)
    return Beginning(describe_beginning(judgement, comparison), section if shown else "")


def _id(outcome: OutcomeComparison) -> str:
    """Ids of probes and models hold no dots."""
    return f"{outcome.probe_id}.{outcome.subject}"


def _note_cached(comparison: Comparison) -> Iterator[str]:
    for name, bundle in (("baseline", comparison.before), ("bundle", comparison.after)):
        if kept := bundle.run.get("from_cache"):
            many = "1 result was" if len(kept) == 1 else f"{write_count(len(kept))} results were"
            which = shorten_text(", ".join(kept))
            yield f"Of the {name}, {many} served from a cache of the same library versions: {which}"


def _section(
    comparison: Comparison,
    outcome: OutcomeComparison,
    judged: Sequence[Judgement],
    pictures: Mapping[tuple[str, str], Sequence[Sequence[PageFigure]]],
    most: ListLimits,
) -> SectionView:
    probe = _probe(outcome.probe)
    texts = meanings(probe) if probe is not None else {}
    old, new = (_outcome(bundle, outcome) for bundle in (comparison.before, comparison.after))
    changed = [one for one in judged if one.change is not None and one.verdict not in QUIET]
    name = describe_subject(outcome.subject, comparison)
    shown = new or old
    own = shown.titles.get("", "") if shown is not None else ""
    return SectionView(
        id=_id(outcome),
        probe_id=outcome.probe_id,
        subject=outcome.subject,
        name=name,
        probe=outcome.probe,
        title=own or (question(probe) if probe is not None else spell_name(outcome.probe)),
        verdict=str(outcome.verdict),
        failed=outcome.verdict in FAILED,
        statement=_statement(changed),
        reason="" if outcome.changes else outcome.reason,
        rows=[Row(figures) for figures in pictures.get((outcome.probe_id, outcome.subject), ())],
        lines=[_line(one, old, new, probe, texts) for one in changed[: most.rows]],
        lines_left_out=max(0, len(changed) - most.rows),
        quiet=count_verdicts([one for one in judged if one.change is not None and one.verdict in QUIET]),
        prompts=make_prompt_sheet({outcome.subject: shown}, most.rows) if shown is not None and changed else None,
        subjects={outcome.subject: name},
    )


def _probe(name: str) -> Probe[Any, Any] | None:
    """None where this installation does not know it: then the numbers are shown alone."""
    try:
        return registry.find(name)
    except ReportgenError:
        return None


def _outcome(bundle: Bundle, outcome: OutcomeComparison) -> Outcome | None:
    return bundle.outcomes.get(outcome.probe_id, {}).get(outcome.subject)


def _statement(changed: Sequence[Judgement]) -> str:
    """The worst change in a sentence, and how many more there are."""
    if not changed:
        return ""
    worst, others = changed[0], changed[1:]
    more = f" {count_verdicts(others).capitalize()} besides." if others else ""
    name, told = capitalize_first(spell_name(worst.name)), shorten_text(worst.told)
    # An array is told as "by 0.5 nat at layer 2".
    how = (
        f"{name} {describe_verdict(worst)} {told}"
        if told.startswith("by ")
        else f"{name}, {describe_verdict(worst)}: {told}"
    )
    return f"{how}.{more}"


def _line(
    judgement: Judgement,
    old: Outcome | None,
    new: Outcome | None,
    probe: Probe[Any, Any] | None,
    texts: Mapping[str, str],
) -> Line:
    change = judgement.change
    assert change is not None
    meaning = texts.get(change.name, "")
    if probe is not None and change.kind == "array":
        meaning = meaning_of_array(probe, change.name, texts)
    before, after = _write_values(change, old, new)
    place = describe_place(change.place)
    return Line(
        name=spell_name(change.name),
        unit=_unit(change, old or new),
        definition=" ".join(meaning.split()),
        verdict=str(change.verdict),
        gate=change.gate,
        before=before,
        after=after,
        worst=judgement.largest,
        allowed=judgement.allowed,
        where=place or (shorten_text(change.told) if change.kind != "metric" or change.after is None else ""),
        prompts=shorten_text(judgement.prompts),
        first=judgement.first,
    )


def _write_values(change: Change, old: Outcome | None, new: Outcome | None) -> tuple[str, str]:
    """Before and after, written differently where they differ; empty for what has no single value."""
    values = [_value(change, outcome) for outcome in (old, new)]
    before, after = write_change(*(value for value, _ in values), significant=digits_of(change.name))
    return before if values[0][1] else "", after if values[1][1] else ""


def _value(change: Change, outcome: Outcome | None) -> tuple[Number, bool]:
    """A metric, or an array's element where it moved most, None where that is undefined; and whether there is one."""
    if outcome is None:
        return None, False
    if change.name in outcome.metrics and change.kind == "metric":
        return outcome.metrics[change.name].value, True
    array = outcome.arrays.get(change.name) if change.kind == "array" else None
    if array is None or not change.place:
        return None, False
    return _element(array, change.place), True


def _element(array: Array, place: Mapping[str, int]) -> Number:
    """The value at a place; None where there is none."""
    try:
        value = float(array.values[tuple(array.along(dim).index(place[dim]) for dim in array.dims)])
    except (KeyError, ValueError):
        return None
    return value if math.isfinite(value) else None


def _unit(change: Change, outcome: Outcome | None) -> str:
    if outcome is None:
        return ""
    if change.kind == "metric" and change.name in outcome.metrics:
        return outcome.metrics[change.name].unit
    if change.kind == "array" and change.name in outcome.arrays:
        return outcome.arrays[change.name].unit
    return ""


def _list_others(comparison: Comparison, most: ListLimits) -> Listing:
    """What has no numbers to compare, and why: new, fixed, not comparable."""
    found = [
        ListLine(one.probe_id, describe_subject(one.subject, comparison), str(one.verdict), (_explain_outcome(one),))
        for one in comparison.compared
        if one.verdict not in WITH_A_SECTION and one.verdict not in QUIET
    ]
    return Listing(found[: most.rows], len(found))


def _explain_outcome(outcome: OutcomeComparison) -> str:
    """The reason, or those of the quantities that are new or not comparable."""
    loud = [change for change in outcome.changes if change.verdict not in QUIET]
    told = [f"{change.name}: {change.told or change.verdict}" for change in loud]
    return shorten_text("; ".join([outcome.reason, *told] if outcome.reason else told))


def _list_within(comparison: Comparison, most: ListLimits) -> Listing:
    """What moved, and how close to its tolerance it came: the closest first."""
    moved = [one for one in comparison.judgements if one.verdict is Verdict.WITHIN and one.change is not None]
    closest = sorted(moved, key=lambda one: -one.excess)
    found = [_make_line(one, comparison) for one in closest[: most.rows]]
    return Listing(found, len(moved))


def _make_line(one: Judgement, comparison: Comparison) -> ListLine:
    change = one.change
    assert change is not None
    used = write_share(one.excess) if change.worst is not None and change.bound else UNDEFINED
    name = describe_subject(one.outcome.subject, comparison)
    return ListLine(
        one.outcome.probe_id,
        name,
        spell_name(change.name),
        (
            one.largest or UNDEFINED,
            one.allowed or UNDEFINED,
            used,
            describe_place(change.place) or shorten_text(one.prompts),
        ),
    )


def _list_same(comparison: Comparison, most: ListLimits) -> Listing:
    found = []
    for one in comparison.compared:
        names = [spell_name(change.name) for change in one.changes if change.verdict is Verdict.SAME]
        if names or one.verdict is Verdict.SAME:
            told = shorten_text(", ".join(names) or one.reason or "nothing was measured")
            found.append(ListLine(one.probe_id, describe_subject(one.subject, comparison), told))
    return Listing(found[: most.rows], len(found))
