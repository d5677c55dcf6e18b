from pathlib import Path

import pytest

from reportgen.ci.markdown import write_markdown
from reportgen.ci.step_summary import append_step_summary
from tests.baseline.comparisons import comparison, everything, make_drift, of_changes

GITHUBS = 1024 * 1024


@pytest.fixture
def summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    return tmp_path / "summary.md"


def test_a_summary_is_appended_to_what_other_commands_wrote(summary: Path) -> None:
    summary.write_text("| theirs |")
    text = write_markdown(everything())
    assert append_step_summary(text)
    assert summary.read_text() == f"| theirs |\n\n{text}"


@pytest.mark.parametrize("theirs", [0, 500_000, 1_000_000, 1_020_000, 1_024_000, GITHUBS, GITHUBS + 5])
def test_a_summary_takes_no_more_than_what_is_left(summary: Path, theirs: int) -> None:
    summary.write_bytes(b"x" * theirs)
    text = write_markdown(comparison(of_changes("weather", "gemma", *(make_drift(f"天氣 {i}") for i in range(20_000)))))
    appended = append_step_summary(text)
    after = summary.read_bytes()
    assert len(after) < max(GITHUBS, theirs + 1)
    assert appended == (len(after) > theirs)
    if appended and theirs:
        assert after[theirs:].decode().startswith("\n\n## Drifted")
        assert after.decode().endswith("would not fit.*\n") == (theirs > 200_000)
    assert appended == (theirs < 1_023_900)


def test_without_a_summary_to_write_to_nothing_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    assert not append_step_summary("text")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path))
    assert not append_step_summary("text")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "missing" / "summary.md"))
    assert not append_step_summary("text")
    assert list(tmp_path.iterdir()) == []
