"""A comparison as GitHub-flavoured Markdown that stays within a budget of bytes: the drifts are kept the longest."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from reportgen.baseline.compare import Comparison, Judgement, OutcomeComparison
from reportgen.baseline.environment import Difference
from reportgen.baseline.judgements import (
    advise,
    conclusion,
    count_verdicts,
    describe_beginning,
    describe_causes,
    describe_subject,
    describe_unmatched,
    describe_verdict,
    find_beginnings,
    shorten_text,
)
from reportgen.baseline.verdict import QUIET, Verdict
from reportgen.ci.failure import Failure
from reportgen.numerals import write_count
from reportgen.spelling import capitalize_first

BUDGET = 900 * 1024
"""Bytes: GitHub drops a step's summary above 1 MiB as a whole, and other commands write to it too."""
REST_OF_SECTION = 600
"""Bytes kept free in each section for the line that says what it leaves out."""
REST = "\n*The rest is left out because it would not fit.*\n"
SUBJECTS = 5
"""Models whose first layer beyond tolerance stands at the head."""

# Entities and escapes for whatever could begin code, a link, a picture, HTML, mathematics, emphasis or a cell.
_ESCAPED = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;", "\\": "&#92;", "$": "&#36;"}
    | {mark: f"\\{mark}" for mark in "`*_~[]"}
)

T = TypeVar("T")
Cells = tuple[str, ...]


def write_markdown(comparison: Comparison, budget: int = BUDGET) -> str:
    """The comparison in Markdown, of at most `budget` bytes of UTF-8.

    What changed comes first in the text and in the budget, the worst first; then how the two
    environments differ, what moved within its tolerance, and what is the same. What has no room is counted in words.
    """
    text = "".join(f"{line}\n" for line in _head(comparison))
    sections = (_list_changed, _environment, _list_within, _list_same)
    for later, section in zip(reversed(range(len(sections))), sections, strict=True):
        text += section(comparison, budget - _size(text) - later * REST_OF_SECTION)
    return fit_lines(text, budget)


def markdown_of_failure(failure: Failure) -> str:
    """The same where a command failed: why."""
    return f"## {failure.heading}\n\n{escape_text(failure.reason)}\n"


def fit_lines(text: str, budget: int) -> str:
    """The whole lines of a text that fit a budget of bytes, with a line that says so where not all do."""
    if _size(text) <= budget:
        return text
    if _size(REST) > budget:
        return ""
    room = budget - _size(REST)
    kept = []
    for line in text.split("\n"):
        room -= _size(line) + 1
        if room < 0:
            break
        kept.append(f"{line}\n")
    return "".join([*kept, REST])


def _head(comparison: Comparison) -> Iterator[str]:
    yield f"## {conclusion(comparison)}: {escape_text(comparison.title)}"
    if comparison.exit_code and (causes := describe_causes(comparison)):
        yield f"\n**Changed: {escape_text(causes)}**"
    if comparison.measured_elsewhere:
        yield f"\n{escape_text(capitalize_first(comparison.measured_elsewhere))}."
    begun = find_beginnings(comparison.judgements)
    for one in begun[:1]:
        yield f"\n**First beyond tolerance: {escape_text(describe_beginning(one, comparison))}**"
    if others := begun[1:]:
        told = [escape_text(describe_beginning(one, comparison)) for one in others[: SUBJECTS - 1]]
        more = f"; and in {write_count(len(others) - len(told))} more" if len(others) > len(told) else ""
        yield f"\nFirst in the other models: {'; '.join(told)}{more}"
    yield f"\n{count_verdicts(comparison.judgements) or 'Nothing to compare'}."
    if advice := advise(comparison):
        yield f"\n{escape_text(advice)}"
    for line in describe_unmatched(comparison):
        yield f"\n{escape_text(line)}."


def _list_changed(comparison: Comparison, budget: int) -> str:
    def cells(one: Judgement) -> Cells:
        told = "; ".join(text for text in (one.told, one.prompts) if text)
        return describe_verdict(one), *_place(one.outcome, comparison), one.name, told, one.allowed

    loud = [one for one in comparison.judgements if one.verdict not in QUIET]
    columns = ("Verdict", "Probe", "Model", "Quantity", "What changed", "Allowed")
    return write_table("What changed", columns, loud, cells, budget, count_verdicts)


def _environment(comparison: Comparison, budget: int) -> str:
    def cells(one: Difference) -> Cells:
        return one.label, one.before, one.after

    return write_table("Environment", ("What", "Before", "After"), comparison.environment, cells, budget)


def _list_within(comparison: Comparison, budget: int) -> str:
    def cells(one: Judgement) -> Cells:
        return *_place(one.outcome, comparison), one.name, one.largest, one.allowed

    within = [one for one in comparison.judgements if one.verdict is Verdict.WITHIN]
    columns = ("Probe", "Model", "Quantity", "Largest difference", "Allowed")
    return write_table("Within tolerance", columns, within, cells, budget)


def _list_same(comparison: Comparison, budget: int) -> str:
    def names(outcome: OutcomeComparison) -> list[str]:
        return [change.name for change in outcome.changes if change.verdict is Verdict.SAME]

    def cells(outcome: OutcomeComparison) -> Cells:
        return *_place(outcome, comparison), ", ".join(names(outcome)) or outcome.reason

    same = [one for one in comparison.compared if names(one) or one.verdict is Verdict.SAME]
    return write_table("The same", ("Probe", "Model", "Quantities"), same, cells, budget)


def _place(outcome: OutcomeComparison, comparison: Comparison) -> tuple[str, str]:
    return outcome.probe_id, describe_subject(outcome.subject, comparison)


def write_table(
    heading: str,
    columns: Cells,
    things: Sequence[T],
    cells: Callable[[T], Cells],
    budget: int,
    rest: Callable[[Sequence[T]], str] | None = None,
) -> str:
    """A row a thing under a heading, as many as a budget of bytes has room for, and a line that counts what is left.

    Only what has room is written: of 50,000 things most are never put into words.
    """
    if not things:
        return ""
    title, head = f"\n### {heading}\n", "\n" + _row(columns) + _row(("---",) * len(columns))
    room = budget - REST_OF_SECTION - _size(title + head)
    rows: list[str] = []
    for thing in things:
        row = _row(cells(thing))
        room -= _size(row)
        if room < 0:
            break
        rows.append(row)
    table = f"{head}{''.join(rows)}" if rows else ""
    left = things[len(rows) :]
    if not left:
        return f"{title}{table}"
    which = f": {rest(left)}" if rest else ""
    return f"{title}{table}\n*{write_count(len(left))} left out because there is no room{which}.*\n"


def _row(cells: Cells) -> str:
    return f"| {' | '.join(map(escape_text, cells))} |\n"


def escape_text(text: str) -> str:
    """A stranger's text that Markdown shows as it is, cut where it is a book."""
    return escape_whole(shorten_text(text))


def escape_whole(text: str) -> str:
    """The same, whatever its length, of a text that is legible."""
    # An address would become a link without any mark around it.
    return text.translate(_ESCAPED).replace("://", "&#58;//").replace("www.", "www&#46;")


def _size(text: str) -> int:
    return len(text.encode())
