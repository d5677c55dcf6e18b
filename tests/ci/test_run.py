"""A run as a CI reads it."""

from dataclasses import replace

from junitparser import Error, JUnitXml, Skipped

from reportgen.ci.annotations import MOST
from reportgen.ci.run import write_run_annotations, write_run_junit, write_run_markdown
from reportgen.results.bundle import Bundle
from reportgen.results.quantities import Outcome
from reportgen.results.section import ModelCard
from tests.baseline.comparisons import MARKS

GONE = "./gone: there is no such file or folder."


def outcome(status: str = "ok", reason: str = "") -> Outcome:
    return Outcome("logit_lens", 1, {}, ("a",), status, reason)


def bundle(title: str = "Night", **outcomes: dict[str, Outcome]) -> Bundle:
    return Bundle(None, title, {"a": ModelCard("a", "Llama", "X", 2)}, outcomes)


NIGHT = bundle(
    lens={"a": outcome(), "b": outcome("failed", GONE)},
    map={"a": outcome("failed", "out of memory"), "b": outcome("failed", GONE)},
    chat={"a": outcome("skipped", "it has no chat template"), "b": outcome("failed", GONE)},
)


def test_what_failed_is_an_error_and_what_was_skipped_is_skipped() -> None:
    document = JUnitXml.fromstring(write_run_junit(NIGHT).encode())
    assert document.name == "A probe failed: Night"
    assert [(s.name, s.tests, s.errors, s.skipped) for s in document] == [("a (Llama)", 3, 1, 1), ("b", 3, 3, 0)]
    found = {case.classname: case for suite in document for case in suite}
    assert found["lens.a"].is_passed
    assert isinstance(found["map.a"].result[0], Error)
    assert found["map.a"].result[0].message == "out of memory"
    assert isinstance(found["chat.a"].result[0], Skipped)
    document.update_statistics()
    assert (document.tests, document.errors, document.skipped) == (6, 4, 1)


def test_a_model_that_is_not_there_is_told_once() -> None:
    assert write_run_annotations(NIGHT) == [
        f"::error title=model b::{GONE}",
        "::error title=map on a::out of memory",
    ]
    lines = write_run_markdown(NIGHT).splitlines()
    assert lines[:3] == ["## A probe failed: Night", "", "4 failed, 1 skipped, 1 ok."]
    assert f"| all | b | {GONE} |" in lines
    assert "| chat | a (Llama) | it has no chat template |" in lines


def test_a_good_run_is_told_in_a_line() -> None:
    good = bundle(lens={"a": outcome()})
    assert write_run_markdown(good) == "## Every probe ran: Night\n\n1 ok.\n"
    assert write_run_annotations(good) == []


def test_more_failures_than_annotations_are_counted() -> None:
    many = bundle(**{f"p{at}": {"a": outcome("failed", f"reason {at}")} for at in range(MOST + 3)})
    lines = write_run_annotations(many)
    assert len(lines) == MOST
    assert lines[-1] == "::error title=and 4 more::see the summary"


def test_no_text_of_a_stranger_ends_a_cell_an_element_or_a_command() -> None:
    hostile = replace(bundle(lens={"a": outcome("failed", MARKS), "b": outcome()}), title=MARKS)
    JUnitXml.fromstring(write_run_junit(hostile).encode())
    assert all("\n" not in line for line in write_run_annotations(hostile))
    assert "www.k.l" not in write_run_markdown(hostile)
