from dataclasses import replace
from pathlib import Path

import pytest

from reportgen import outputs
from reportgen.outputs import describe_all, draw_figures, unshowable, write_outputs
from reportgen.probes.parameter_census import ParameterCensus
from reportgen.report import document
from reportgen.store import Bundle
from tests.report.fakes import fake_bundle


@pytest.fixture
def bundle() -> Bundle:
    """Two probes that can be shown."""
    whole = fake_bundle()
    return replace(whole, outcomes={probe: whole.outcomes[probe] for probe in ("census", "nearest")})


def test_figures_and_failures_are_found_in_one_go() -> None:
    found = describe_all(fake_bundle())
    assert {probe: len(figures) for probe, figures in found.figures.items()} == {
        "census": 3,
        "nearest": 2,
        "apple": 4,
        "heads": 0,
    }
    assert list(found.failures) == ["weather", "map"]
    assert found.reasons["map"] == "measured, but it cannot be shown: KeyError: 'points'"
    assert unshowable(fake_bundle()) == found.reasons


def test_each_figure_is_described_once(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    figures = ParameterCensus.figures
    monkeypatch.setattr(ParameterCensus, "figures", lambda self, section: asked.append(1) or figures(self, section))
    described = describe_all(bundle)
    names = write_outputs(bundle, tmp_path, ["html", "figures"], described=described)
    assert asked == [1]
    assert len(names) == 1 + 3 * 5
    assert names[-1] == "report.html"


def test_what_cannot_be_shown_is_raised_unless_the_caller_knows_of_it(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="positions"):
        write_outputs(fake_bundle(), tmp_path, ["figures"])
    found = describe_all(fake_bundle())
    assert len(list(draw_figures(fake_bundle(), found))) == 9


def test_without_pango_the_rest_is_made_and_the_reason_told(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "weasyprint.py").write_text("raise OSError('cannot load library')")
    monkeypatch.syspath_prepend(tmp_path / "lib")
    told: list[str] = []
    names = write_outputs(bundle, tmp_path, ["html", "pdf"], told.append)
    assert names == ["report.html"]
    assert told[-1].startswith("report.pdf left out: the PDF needs Pango")
    assert not (tmp_path / "report.pdf").exists()


@pytest.mark.skipif(document.available() is not None, reason="WeasyPrint is missing")
def test_the_pdf_is_printed_while_figures_are_written(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []

    class Printer:
        def __init__(self, target: Path) -> None:
            order.append("process")

        def __enter__(self) -> "Printer":
            return self

        def __exit__(self, *error: object) -> None:
            order.append("end")

        def begin(self, html: str) -> None:
            assert "its figures in <code>figures</code>" in html
            order.append("begin")

        def finish(self) -> tuple[str, ...]:
            order.append("finish")
            return ()

    monkeypatch.setattr(document, "Printer", Printer)
    names = write_outputs(bundle, tmp_path, ["html", "pdf", "figures"], order.append)
    assert names[-2:] == [outputs.HTML, outputs.PDF]
    assert order == [
        "process", "5 figures drawn", "begin", "figures written", "report.html written", "finish",
        "report.pdf written", "end",
    ]  # fmt: skip
