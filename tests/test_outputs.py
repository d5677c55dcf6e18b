from dataclasses import replace
from pathlib import Path

import pytest

from reportgen.bundle_figures import Unshowable
from reportgen.outputs import write_outputs
from reportgen.probes.parameter_census import ParameterCensus
from reportgen.report import document
from reportgen.store import Bundle
from tests.report.fakes import fake_bundle


@pytest.fixture
def bundle() -> Bundle:
    """Two probes that can be shown."""
    whole = fake_bundle()
    return replace(whole, outcomes={probe: whole.outcomes[probe] for probe in ("census", "nearest")})


def test_each_figure_is_described_once(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    figures = ParameterCensus.figures
    monkeypatch.setattr(ParameterCensus, "figures", lambda self, section: asked.append(1) or figures(self, section))
    names = write_outputs(bundle, tmp_path, ["html", "figures"])
    assert asked == [1]
    assert len(names) == 1 + 4 * 5
    assert names[-1] == "report.html"
    assert sorted(names) == sorted(str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*.*"))


def test_what_cannot_be_shown_leaves_nothing(tmp_path: Path) -> None:
    whole = fake_bundle()
    without_points = {subject: replace(outcome, arrays={}) for subject, outcome in whole.outcomes["map"].items()}
    with pytest.raises(Unshowable, match="weather, map"):
        write_outputs(
            replace(whole, outcomes={**whole.outcomes, "map": without_points}), tmp_path, ["html", "pdf", "figures"]
        )
    assert list(tmp_path.iterdir()) == []


def test_the_page_names_the_figures_that_lie_beside_it(bundle: Bundle, tmp_path: Path) -> None:
    told = "its figures in <code>figures</code>"
    kept = replace(bundle, path=tmp_path)

    def page(bundle: Bundle, *formats: str) -> str:
        write_outputs(bundle, tmp_path, formats)
        return (tmp_path / "report.html").read_text()

    (tmp_path / "figures").mkdir()
    assert told not in page(kept, "html"), "the folder is empty"
    assert told in page(kept, "html", "figures")
    assert told in page(kept, "html"), "an earlier rendering left them there"
    assert told not in page(bundle, "html")


def test_without_pango_the_rest_is_made_and_the_reason_told_each_time(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "weasyprint.py").write_text("raise OSError('cannot load library')")
    monkeypatch.syspath_prepend(tmp_path / "lib")
    for _ in range(2):
        told: list[str] = []
        names = write_outputs(bundle, tmp_path, ["html", "pdf"], told.append)
        assert names == ["report.html"]
        assert told[-1].startswith("report.pdf left out: the PDF needs Pango")
        assert not (tmp_path / "report.pdf").exists()


def test_the_pdf_is_printed_while_figures_are_written(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []

    class Printer:
        def __init__(self, target: Path) -> None:
            self.target = target
            order.append("process")

        def __enter__(self) -> "Printer":
            return self

        def __exit__(self, *error: object) -> None:
            order.append("end")

        def begin(self, html: str) -> None:
            assert "its figures in <code>figures</code>" in html
            order.append("begin")

        def finish(self) -> tuple[str, ...]:
            self.target.write_bytes(b"%PDF-")
            order.append("finish")
            return ()

    monkeypatch.setattr(document, "Printer", Printer)
    names = write_outputs(bundle, tmp_path, ["html", "pdf", "figures"], order.append)
    assert names[-2:] == ["report.html", "report.pdf"]
    assert order == [
        "process", "5 figures drawn", "begin", "figures written", "report.html written", "finish",
        "report.pdf written", "end",
    ]  # fmt: skip
