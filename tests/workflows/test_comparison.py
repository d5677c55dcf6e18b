"""A comparison as Python calls it: what the command line writes for a CI is written here."""

from dataclasses import replace
from pathlib import Path

import pytest

from reportgen.ci.outputs import CiOutputs
from reportgen.errors import BundleError
from reportgen.results.bundle import Bundle, write_numbers
from reportgen.workflows.comparison import publish_comparison
from tests.report.fakes import LLAMA, fake_bundle


def store_bundle(bundle: Bundle, folder: Path) -> Path:
    folder.mkdir()
    write_numbers(folder, bundle)
    return folder


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A baseline, and a bundle in which one number drifted."""
    whole = fake_bundle()
    before = replace(whole, outcomes={"census": whole.outcomes["census"]})
    census = before.outcomes["census"]
    metrics = dict(census[LLAMA].metrics)
    metrics["total_parameters"] = replace(metrics["total_parameters"], value=1)
    after = replace(before, outcomes={"census": {**census, LLAMA: replace(census[LLAMA], metrics=metrics)}})
    return store_bundle(before, tmp_path / "before"), store_bundle(after, tmp_path / "after")


def test_junit_markdown_summary_and_annotations_come_with_the_comparison(
    pair: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "step"))
    lines: list[str] = []
    ci = CiOutputs(tmp_path / "junit.xml", tmp_path / "summary.md", lines.append)
    comparison, files = publish_comparison(*pair, formats=["html"], ci=ci)
    assert comparison.exit_code == 4
    assert [file.name for file in files] == ["comparison.json", "comparison.html"]
    assert all(file.parent == tmp_path / "after-comparison" and file.exists() for file in files)
    assert lines[0].startswith("::error title=census.llama.total_parameters")
    assert 'failures="1"' in (tmp_path / "junit.xml").read_text()
    assert (tmp_path / "summary.md").read_text() == (tmp_path / "step").read_text()


def test_where_nothing_can_be_compared_they_say_why(pair: tuple[Path, Path], tmp_path: Path) -> None:
    ci = CiOutputs(tmp_path / "junit.xml", tmp_path / "summary.md")
    publish_comparison(*pair, formats=["html"], ci=ci)
    (pair[1] / "results.json").unlink()
    with pytest.raises(BundleError):
        publish_comparison(*pair, formats=["html"], ci=ci)
    assert 'errors="1"' in (tmp_path / "junit.xml").read_text()
    for text in (tmp_path / "summary.md", tmp_path / "after-comparison" / "comparison.html"):
        assert "Could not be compared" in text.read_text()
