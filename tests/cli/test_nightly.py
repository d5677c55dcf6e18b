"""`reportgen nightly`, and what a CI reads of `reportgen run`: however either ends."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from junitparser import JUnitXml

Call = Callable[..., Any]
LENS = "  lens: {probe: logit_lens, prompts: [an apple]}"
CENSUS = "  census: {probe: parameter_census}"


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The summary of a step of a GitHub workflow, in which the commands run."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "step.md"))
    return tmp_path / "step.md"


def read_errors(file: Path) -> list[str]:
    document = JUnitXml.fromfile(str(file))
    assert isinstance(document, JUnitXml)
    return [result.message for suite in document for case in suite for result in case.result]


def ci_files(folder: Path) -> tuple[object, ...]:
    return "--junit", folder / "junit.xml", "--markdown", folder / "summary.md"


def test_a_night_as_the_baseline_is_the_same(reportgen: Call, write_battery: Call, tmp_path: Path) -> None:
    battery = write_battery(LENS, CENSUS)
    assert reportgen("run", battery, "-o", tmp_path / "base", "--quiet").code == 0
    ended = reportgen("nightly", battery, "--baseline", tmp_path / "base", *ci_files(tmp_path), "--quiet")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("Same: ")
    assert (tmp_path / "battery-comparison" / "comparison.html").is_file()
    assert read_errors(tmp_path / "junit.xml") == []
    assert (tmp_path / "summary.md").read_text().startswith("## Same")


def test_a_model_that_is_gone_for_the_night_is_an_error_everywhere(
    reportgen: Call, write_battery: Call, tiny_models: dict[str, Path], tmp_path: Path, github: Path
) -> None:
    assert reportgen("run", write_battery(LENS), "-o", tmp_path / "base", "--quiet").code == 0
    half = write_battery(LENS, models={"a": tiny_models["a"], "b": "./gone"})
    ended = reportgen("nightly", half, "--baseline", tmp_path / "base", *ci_files(tmp_path), "--quiet")
    assert ended.code == 3
    assert ["gone" in told for told in read_errors(tmp_path / "junit.xml")] == [True]
    for told in (github.read_text(), (tmp_path / "summary.md").read_text(), ended.out):
        assert "./gone" in told
    assert "::error title=lens.b%3A newly failed::" in ended.out


@pytest.mark.parametrize("command", ["run", "nightly"])
def test_a_night_without_any_model_is_no_success_in_a_fresh_folder_or_a_used_one(
    reportgen: Call, write_battery: Call, tmp_path: Path, github: Path, command: str
) -> None:
    assert reportgen("run", write_battery(LENS), "-o", tmp_path / "base", "--quiet").code == 0
    arguments = ["--baseline", tmp_path / "base"] if command == "nightly" else []
    for used in (False, True):
        if used:
            assert reportgen(command, write_battery(LENS), *arguments, "--quiet").code == 0
        github.unlink(missing_ok=True)
        none = write_battery(LENS, models={"a": "./gone"})
        ended = reportgen(command, none, *arguments, *ci_files(tmp_path), "--quiet")
        assert ended.code == 1
        (told,) = read_errors(tmp_path / "junit.xml")
        assert told.startswith("model a: ./gone: there is no such file or folder")
        assert github.read_text().startswith("## The run failed\n\nmodel a: ./gone")
        assert ended.out.startswith("::error title=The run failed::model a: ./gone")
        for file in (tmp_path / "junit.xml", tmp_path / "summary.md"):
            file.unlink()
    if command == "nightly":  # no page goes on telling of the night before
        assert "./gone" in (tmp_path / "battery-comparison" / "comparison.html").read_text()


def test_a_night_without_a_baseline_does_not_run(reportgen: Call, write_battery: Call, tmp_path: Path) -> None:
    battery = write_battery(LENS)
    ended = reportgen("nightly", battery, "--baseline", tmp_path / "none", *ci_files(tmp_path), "--quiet")
    assert ended.code == 1
    assert "none/results.json: there is no such file" in ended.err
    assert read_errors(tmp_path / "junit.xml")[0].startswith("results.json: there is no such file")
    assert (tmp_path / "summary.md").read_text().startswith("## Could not be compared")
    assert not (tmp_path / "battery").exists()


def test_a_battery_that_is_wrong_is_told_to_the_ci(reportgen: Call, write_battery: Call, tmp_path: Path) -> None:
    ended = reportgen("run", write_battery("  lens: {probe: logit_lense}"), *ci_files(tmp_path), "--quiet")
    assert ended.code == 2
    assert "logit_lense" in read_errors(tmp_path / "junit.xml")[0]


def test_a_summary_that_cannot_be_written_is_no_success(reportgen: Call, write_battery: Call, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = reportgen("run", write_battery(CENSUS), "--junit", tmp_path / "file" / "junit.xml", "--quiet")
    assert ended.code == 1
    assert "junit.xml: cannot be written" in ended.err
    assert (tmp_path / "battery" / "results.json").is_file()


def test_a_night_is_not_compared_with_itself(reportgen: Call, write_battery: Call, tmp_path: Path) -> None:
    battery = write_battery(CENSUS)
    assert reportgen("run", battery, "--quiet").code == 0
    ended = reportgen("nightly", battery, "--baseline", tmp_path / "battery", "--quiet")
    assert ended.code == 2
    assert "the baseline is the folder that the night writes" in ended.err


@pytest.mark.parametrize(
    ("junit", "markdown", "told"),
    [
        ("battery/ci/junit.xml", "summary.md", "cannot lie in a folder of the bundle, the comparison or the baseline"),
        ("battery-comparison/junit.xml", "summary.md", "cannot lie in a folder of the bundle"),
        ("base/results.json", "summary.md", "cannot lie in a folder of the bundle"),
        ("junit.xml", "battery.yaml", "this is the battery itself"),
        ("both", "both", "--junit and --markdown name one file"),
    ],
)
def test_what_a_ci_reads_takes_the_place_of_nothing_else(
    reportgen: Call, write_battery: Call, tmp_path: Path, junit: str, markdown: str, told: str
) -> None:
    battery = write_battery(CENSUS)
    assert reportgen("run", battery, "-o", tmp_path / "base", "--quiet").code == 0
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    files = ["--junit", tmp_path / junit, "--markdown", tmp_path / markdown]
    ended = reportgen("nightly", battery, "--baseline", tmp_path / "base", *files, "--quiet")
    assert ended.code == 2
    assert told in ended.err
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


def test_the_verdict_is_told_even_where_a_ci_cannot_read_it(
    reportgen: Call, write_battery: Call, tmp_path: Path
) -> None:
    battery = write_battery(CENSUS)
    assert reportgen("run", battery, "-o", tmp_path / "base", "--quiet").code == 0
    (tmp_path / "file").write_text("")
    ended = reportgen(
        "nightly", battery, "--baseline", tmp_path / "base", "--junit", tmp_path / "file" / "junit.xml", "--quiet"
    )
    assert ended.code == 1
    assert ended.out.startswith("Same: ")
    assert "junit.xml: cannot be written" in ended.err
