"""A run as a CI reads it: which probes failed, on which model, and why."""

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reportgen.baseline.judgements import shorten_text
from reportgen.ci.annotations import MOST, write_command
from reportgen.ci.junit import NO_TIME, write_document
from reportgen.ci.markdown import BUDGET, escape_text, fit_lines, write_table
from reportgen.numerals import write_count
from reportgen.results.bundle import Bundle
from reportgen.results.quantities import Outcome
from reportgen.results.section import SUBJECT, name_subject

_ENDS = {"failed": "error", "skipped": "skipped"}
"""Status of an outcome -> the element that says so in JUnit."""


@dataclass(frozen=True)
class _Told:
    """An outcome, or all of a model's where they failed for one reason."""

    probe: str
    """Empty for all of a model's."""
    subject: str
    reason: str

    @property
    def title(self) -> str:
        return f"{self.probe} on {self.subject}" if self.probe else f"model {self.subject}"


def write_run_junit(bundle: Bundle) -> str:
    """A run as a JUnit document: a suite a model, a case a probe; what failed is an error, what was skipped skipped."""
    by_subject: dict[str, list[tuple[str, Outcome]]] = {}
    for probe, subject, outcome in _list_outcomes(bundle):
        by_subject.setdefault(subject, []).append((probe, outcome))
    everything = [outcome for _, _, outcome in _list_outcomes(bundle)]
    name = shorten_text(f"{_conclude(bundle)}: {bundle.title}")
    root = ET.Element("testsuites", {"name": name, **_count_ends(everything)})
    for subject, found in by_subject.items():
        named = {"name": shorten_text(name_subject(subject, bundle.models))}
        suite = ET.SubElement(root, "testsuite", {**named, **_count_ends([outcome for _, outcome in found])})
        for probe, outcome in found:
            case = ET.SubElement(suite, "testcase", classname=f"{probe}.{subject}", name=outcome.probe, time=NO_TIME)
            if end := _ENDS.get(outcome.status):
                reason = shorten_text(outcome.reason)
                ET.SubElement(case, end, message=reason, type=outcome.status).text = reason
    return write_document(root)


def write_run_markdown(bundle: Bundle, budget: int = BUDGET) -> str:
    """A run in Markdown, of at most `budget` bytes: how many probes ran, and why others did not."""
    counts = Counter(outcome.status for _, _, outcome in _list_outcomes(bundle))
    told = ", ".join(
        f"{write_count(counts[status])} {status}" for status in ("failed", "skipped", "ok") if counts[status]
    )
    text = f"## {_conclude(bundle)}: {escape_text(bundle.title)}\n\n{told or 'Nothing ran'}.\n"
    for heading, status in (("Failed", "failed"), ("Skipped", "skipped")):
        rows = _list_told(bundle, status)
        left = budget - len(text.encode())
        text += write_table(heading, ("Probe", "Model", "Why"), rows, lambda one: _cells(bundle, one), left)
    return fit_lines(text, budget)


def write_run_annotations(bundle: Bundle) -> list[str]:
    """Lines for stdout: an error for each probe that failed, or for each model on which all of them did."""
    failed = _list_told(bundle, "failed")
    kept = failed if len(failed) <= MOST else failed[: MOST - 1]
    lines = [write_command("error", one.title, one.reason) for one in kept]
    left = len(failed) - len(kept)
    return [*lines, write_command("error", f"and {write_count(left)} more", "see the summary")] if left else lines


def _list_outcomes(bundle: Bundle) -> Iterator[tuple[str, str, Outcome]]:
    for probe, by_subject in bundle.outcomes.items():
        for subject, outcome in by_subject.items():
            yield probe, subject, outcome


def _conclude(bundle: Bundle) -> str:
    return "A probe failed" if bundle.failed else "Every probe ran"


def _list_told(bundle: Bundle, status: str) -> Sequence[_Told]:
    """The outcomes of a status; a model that ended all probes for one reason, such as one that is not there, once."""
    reasons: dict[str, list[str]] = {}
    for _, subject, outcome in _list_outcomes(bundle):
        reasons.setdefault(subject, []).append(outcome.reason if outcome.status == status else "")
    whole = {
        subject
        for subject, told in reasons.items()
        if SUBJECT not in subject and len(told) > 1 and len({*told}) == 1 and told[0]
    }
    found = [
        _Told("" if subject in whole else probe, subject, outcome.reason)
        for probe, subject, outcome in _list_outcomes(bundle)
        if outcome.status == status
    ]
    return list(dict.fromkeys(found))


def _cells(bundle: Bundle, one: _Told) -> tuple[str, ...]:
    return one.probe or "all", name_subject(one.subject, bundle.models), one.reason


def _count_ends(outcomes: Sequence[Outcome]) -> dict[str, str]:
    ends = Counter(outcome.status for outcome in outcomes)
    counts = {"tests": len(outcomes), "failures": 0, "errors": ends["failed"], "skipped": ends["skipped"]}
    return {name: str(count) for name, count in counts.items()} | {"time": NO_TIME}
