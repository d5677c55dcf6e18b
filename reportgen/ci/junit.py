"""A comparison as JUnit XML, which every CI system reads: a suite a model, a case a quantity."""

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Sequence

from reportgen.baseline.compare import Comparison, Judgement
from reportgen.baseline.judgements import (
    conclusion,
    count_verdicts,
    describe_beginning,
    describe_causes,
    describe_subject,
    describe_verdict,
    find_beginnings,
    shorten_text,
)
from reportgen.baseline.quantities import describe_place
from reportgen.baseline.verdict import APART, FAILED, Verdict
from reportgen.ci.failure import Failure

NO_TIME = "0"
"""Readers want a duration; a verdict takes none."""


def write_junit(comparison: Comparison) -> str:
    """The comparison as a JUnit document.

    Gated drift is a failure, a failed probe an error; what cannot be compared, or was not measured in either
    bundle, is skipped; where the comparison ends for that alone, one case more is an error. The class of a case is
    PROBE_ID.SUBJECT: some readers take cases of one class and name for the same case whatever suite they stand in,
    and class and name together are the path that a tolerance's glob matches.

    Raises:
        xml.etree.ElementTree.ParseError: the document cannot be read back: a mistake of this program.
    """
    judged = comparison.judgements
    first = {one.outcome.subject: describe_beginning(one, comparison) for one in find_beginnings(judged)}
    by_subject: dict[str, list[Judgement]] = {}
    for one in judged:
        by_subject.setdefault(one.outcome.subject, []).append(one)
    counts = _counts(judged)
    apart = [one for one in judged if one.decides and one.verdict in APART]
    silent = comparison.exit_code == 5  # a reader of skipped cases alone would call it a success
    if silent:
        counts |= {"tests": str(len(judged) + 1), "errors": "1"}
    root = ET.Element("testsuites", {"name": shorten_text(_head(comparison, list(first.values()))), **counts})
    for subject, found in by_subject.items():
        said_of = {"model": describe_subject(subject, comparison), "first beyond tolerance": first.get(subject, "")}
        said_of["tolerances"] = comparison.measured_elsewhere
        root.append(_suite(subject, found, said_of))
    if silent:
        root.append(_error_suite(Failure("compare", f"nothing to compare with: {count_verdicts(apart) or 'no probe'}")))
    return write_document(root)


def junit_of_failure(failure: Failure) -> str:
    """A JUnit document of one case, which is an error: what failed, and why."""
    root = ET.Element("testsuites", {"name": shorten_text(f"{failure.heading}: {failure.reason}"), **_ONE_ERROR})
    root.append(_error_suite(failure))
    return write_document(root)


_ONE_ERROR = {"tests": "1", "failures": "0", "errors": "1", "skipped": "0", "time": NO_TIME}


def _error_suite(failure: Failure) -> ET.Element:
    suite = ET.Element("testsuite", {"name": f"reportgen {failure.command}", **_ONE_ERROR})
    case = ET.SubElement(suite, "testcase", classname="reportgen", name=failure.command, time=NO_TIME)
    reason = shorten_text(failure.reason)
    ET.SubElement(case, "error", message=reason, type=failure.heading.lower()).text = reason
    return suite


def write_document(root: ET.Element) -> str:
    """A JUnit document as text.

    Raises:
        xml.etree.ElementTree.ParseError: it cannot be read back: a mistake of this program.
    """
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode")
    ET.fromstring(text)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _head(comparison: Comparison, first: Sequence[str]) -> str:
    begins = f", first beyond tolerance: {first[0]}" if first else ""
    causes = describe_causes(comparison) if comparison.exit_code else ""
    changed = f", changed: {causes}" if causes else ""
    return f"{conclusion(comparison)}{begins}{changed}; {comparison.title}"


def _suite(subject: str, judged: Sequence[Judgement], said_of: dict[str, str]) -> ET.Element:
    suite = ET.Element("testsuite", {"name": shorten_text(subject), **_counts(judged)})
    properties = ET.SubElement(suite, "properties")
    for name, value in said_of.items():
        if value:
            ET.SubElement(properties, "property", name=name, value=shorten_text(value))
    suite.extend(_case(one) for one in judged)
    return suite


def _case(judgement: Judgement) -> ET.Element:
    outcome = judgement.outcome
    kind = f"{outcome.probe_id}.{outcome.subject}"
    case = ET.Element("testcase", classname=shorten_text(kind), name=shorten_text(judgement.name), time=NO_TIME)
    lines = _lines(judgement)
    if end := _end(judgement):
        message = shorten_text(f"{judgement.verdict}: {judgement.told}")
        ET.SubElement(case, end, message=message, type=str(judgement.verdict)).text = "\n".join(lines)
    elif judgement.told or judgement.prompts:
        ET.SubElement(case, "system-out").text = "\n".join(lines)
    return case


def _end(judgement: Judgement) -> str:
    """The element that says how a case ended; empty where it passed."""
    if judgement.verdict is Verdict.NOT_COMPARABLE:
        return "skipped"
    if judgement.decides:
        return "error" if judgement.verdict in FAILED else "failure"
    # Skipped in both bundles: nothing changed, and nothing was measured that would say so.
    unmeasured = judgement.change is None and judgement.verdict is Verdict.SAME and judgement.told
    return "skipped" if unmeasured else ""


def _counts(judged: Sequence[Judgement]) -> dict[str, str]:
    ends = Counter(_end(one) for one in judged)
    counts = {"tests": len(judged), "failures": ends["failure"], "errors": ends["error"], "skipped": ends["skipped"]}
    return {name: str(count) for name, count in counts.items()} | {"time": NO_TIME}


def _lines(judgement: Judgement) -> list[str]:
    """What changed, by how much, where, and what was allowed."""
    lines = [shorten_text(f"{judgement.path}: {describe_verdict(judgement)}"), shorten_text(judgement.told)]
    if change := judgement.change:
        told = {
            # Of a table, what is measured is the share that changed.
            "largest share changed" if change.kind == "table" else "largest difference": judgement.largest,
            "allowed there": judgement.allowed,
            "mean": judgement.mean,
            "prompts": shorten_text(judgement.prompts),
            "at": describe_place(change.place),
            "first beyond tolerance": judgement.first,
        }
        lines += [f"{what}: {value}" for what, value in told.items() if value]
    return lines
