from typing import Any

import pytest
from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from reportgen.baseline.compare import Comparison, compare
from reportgen.baseline.verdict import Verdict
from reportgen.ci.junit import write_junit
from tests.baseline.comparisons import (
    MARKS,
    comparison,
    everything,
    make_drift,
    make_failed,
    of_changes,
    other_version,
    quiet,
)
from tests.report.fakes import fake_bundle, hostile


def parse_junit(found: Comparison) -> JUnitXml:
    document = JUnitXml.fromstring(write_junit(found).encode())
    assert isinstance(document, JUnitXml)
    return document


def suites(found: Comparison) -> dict[str, TestSuite]:
    return {suite.name: suite for suite in parse_junit(found)}


def cases(suite: TestSuite) -> dict[str, TestCase]:
    return {f"{case.classname}.{case.name}": case for case in suite}


def read_result(case: TestCase) -> Any:
    (result,) = case.result
    return result


def test_a_suite_is_a_model_and_a_case_a_quantity_by_the_path_of_its_tolerance() -> None:
    found = suites(everything())
    assert set(cases(found["gemma"])) == {
        "weather.gemma.entropy", "weather.gemma.kl", "weather.gemma.top", "map.gemma.pca_map",
        "heads.gemma.attention_grid", "chat.gemma.logit_lens",
    }  # fmt: skip
    assert set(cases(found["llama"])) == {"weather.llama.entropy", "weather.llama.noisy", "weather.llama.kl"}


def test_drift_is_a_failure_that_says_what_by_how_much_where_and_what_was_allowed() -> None:
    result = read_result(cases(suites(everything())["gemma"])["weather.gemma.entropy"])
    assert isinstance(result, Failure)
    assert result.message == "drifted: by 0.31 nat at layer 9, prompt 0, from layer 7 on; 0.1 on average"
    assert result.type == "drifted"
    assert result.text.splitlines() == [
        "weather.gemma.entropy: drifted",
        "by 0.31 nat at layer 9, prompt 0, from layer 7 on; 0.1 on average",
        "largest difference: 0.310",
        "allowed there: 0.00500",
        "mean: 0.100",
        "at: layer 9, prompt 0",
        "first beyond tolerance: layer 7",
    ]


def test_a_crash_is_an_error_and_what_cannot_be_compared_or_was_not_measured_is_skipped() -> None:
    found = cases(suites(everything())["gemma"])
    crash, other = read_result(found["map.gemma.pca_map"]), read_result(found["heads.gemma.attention_grid"])
    unmeasured = read_result(found["chat.gemma.logit_lens"])
    assert isinstance(crash, Error)
    assert crash.message == "newly failed: RuntimeError: out of memory"
    assert isinstance(other, Skipped)
    assert other.message == "not comparable: another version of attention_grid: 1 → 2"
    assert isinstance(unmeasured, Skipped)
    assert unmeasured.message == "same: skipped: it has no chat template"


def test_what_is_the_same_within_tolerance_or_not_gated_passes() -> None:
    found = suites(everything())
    assert cases(found["gemma"])["weather.gemma.kl"].is_passed
    assert cases(found["gemma"])["weather.gemma.top"].is_passed
    noisy = cases(found["llama"])["weather.llama.noisy"]
    assert noisy.is_passed
    assert "drifted (not gated)" in noisy.system_out


def test_the_counts_are_those_of_the_cases() -> None:
    document = parse_junit(everything())
    counts = [(s.name, s.tests, s.failures, s.errors, s.skipped) for s in document]
    assert counts == [("gemma", 6, 1, 1, 2), ("llama", 3, 1, 0, 0)]
    assert (document.tests, document.failures, document.errors, document.skipped) == (9, 2, 1, 2)
    # What the other library counts for itself.
    document.update_statistics()
    assert (document.tests, document.failures, document.errors, document.skipped) == (9, 2, 1, 2)


def test_the_first_layer_beyond_tolerance_stands_at_the_head_of_the_document_and_of_each_suite() -> None:
    drifted = comparison(
        of_changes("weather", "gemma", make_drift()), of_changes("weather", "llama", make_drift(layer=9))
    )
    document = parse_junit(drifted)
    assert document.name == (
        "Drifted, first beyond tolerance: layer 7 of gemma (Gemma-3-270M): weather, entropy; Nightly"
    )
    heads = {suite.name: {one.name: one.value for one in suite.properties()} for suite in document}
    assert heads["llama"] == {
        "model": "llama (SmolLM2-135M-Instruct)",
        "first beyond tolerance": "layer 9 of llama (SmolLM2-135M-Instruct): weather, entropy",
    }


def test_no_character_of_a_stranger_makes_the_document_unreadable() -> None:
    every = [chr(code) for code in (*range(0x300), *range(0xD7F0, 0xE010), *range(0xFDD0, 0x10010), 0x1FFFE, 0x10FFFF)]
    texts = ["".join(every[at : at + 400]) for at in range(0, len(every), 400)]
    found = comparison(
        of_changes("weather", "gemma", *(make_drift(f"{text[:9]}{at}", told=text) for at, text in enumerate(texts))),
        make_failed(reason=MARKS), title=MARKS,
    )  # fmt: skip
    (suite,) = parse_junit(found)
    assert (suite.tests, suite.failures, suite.errors) == (len(texts) + 1, len(texts), 1)
    messages = [read_result(case).message for case in suite]
    assert any("<U+0000><U+0001>" in message for message in messages)
    assert any("<U+FFFE>" in message for message in messages)


def test_a_book_of_a_reason_is_cut() -> None:
    result = read_result(next(iter(next(iter(parse_junit(comparison(make_failed(reason="long " * 10_000))))))))
    assert len(result.message) == 500
    assert result.message.endswith("…")


@pytest.mark.parametrize("change", [lambda bundle: bundle, hostile])
def test_a_comparison_of_whole_bundles_is_read_back(change: Any) -> None:
    found = compare(fake_bundle(), change(fake_bundle()), {}, {})
    document = parse_junit(found)
    told = sum(max(len(one.changes), 1) for one in found.compared)
    assert document.tests == sum(len(list(suite)) for suite in document) == told


def test_what_ends_with_5_is_an_error_however_much_was_compared() -> None:
    for found, told in (
        (comparison(), "nothing to compare with: no probe"),
        (
            comparison(of_changes("weather", "gemma", quiet("kl")), other_version()),
            "nothing to compare with: 1 not comparable",
        ),
    ):
        document = parse_junit(found)
        assert document.errors == 1
        (error,) = [one for suite in document for case in suite for one in case.result if isinstance(one, Error)]
        assert error.message == told


def test_a_new_verdict_of_a_quantity_alone_passes() -> None:
    (suite,) = parse_junit(comparison(of_changes("weather", "gemma", quiet("kl", Verdict.NEW))))
    assert (suite.tests, suite.failures, suite.skipped) == (1, 0, 0)
