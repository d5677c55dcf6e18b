from dataclasses import replace
from pathlib import Path

import pytest

from reportgen.outputs.make import OutputsFailed, write_outputs
from reportgen.probes.parameter_census import ParameterCensus
from reportgen.report import document
from reportgen.report.content.bundle_figures import ShowFailures
from reportgen.results.bundle import Bundle
from tests.printers import PrintsNothing
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


def test_each_statement_is_computed_once_whatever_is_made(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    statement = ParameterCensus.statement
    monkeypatch.setattr(
        ParameterCensus,
        "statement",
        lambda self, section: asked.append([*section.outcomes]) or statement(self, section),
    )
    together = list(bundle.outcomes["census"])

    def asked_for(of: Bundle, *formats: str) -> list[list[str]]:
        asked.clear()
        write_outputs(of, tmp_path, formats, cache=False)
        return asked

    assert asked_for(bundle, "html", "slides", "pptx") == [
        together,
        *([subject] for subject in together),
    ], "slides tell what is seen in each of the models that they show"
    alone = replace(bundle, outcomes={"census": {together[0]: bundle.outcomes["census"][together[0]]}})
    assert asked_for(alone, "html", "slides") == [together[:1]]


def test_what_cannot_be_shown_leaves_nothing(tmp_path: Path) -> None:
    whole = fake_bundle()
    without_points = {subject: replace(outcome, arrays={}) for subject, outcome in whole.outcomes["map"].items()}
    with pytest.raises(ShowFailures, match="weather, map"):
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


BREAKS = {
    "html": ("reportgen.report.page.render_page", {"report.pdf", "slides.pdf", "slides.pptx", "figures"}),
    "pdf": ("reportgen.report.page.render_paper", {"report.html", "slides.pdf", "slides.pptx", "figures"}),
    "figures": ("reportgen.outputs.make.csv_of", {"report.html", "report.pdf", "slides.pdf", "slides.pptx"}),
    "pptx": (
        "reportgen.report.slides.powerpoint.write_powerpoint",
        {"report.html", "report.pdf", "slides.pdf", "figures"},
    ),
    "slides": ("reportgen.report.slides.pages.render_paper", {"report.html", "report.pdf", "slides.pptx", "figures"}),
}
"""Format -> what is broken, and what is there all the same."""


@pytest.mark.parametrize(
    "format", [one if one in ("html", "pptx") else pytest.param(one, marks=pytest.mark.slow) for one in BREAKS]
)
def test_one_output_that_fails_never_takes_the_others(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    def broken(*arguments: object, **named: object) -> None:
        raise ValueError("a title\nthat is too long")

    what, rest = BREAKS[format]
    monkeypatch.setattr(what, broken)
    monkeypatch.setattr(document, "Printer", PrintsNothing)
    with pytest.raises(OutputsFailed) as caught:
        write_outputs(bundle, tmp_path, list(BREAKS))
    assert caught.value.reasons == {format: "a title that is too long"}
    assert str(caught.value).endswith("could not be made: a title that is too long")
    assert caught.value.exit_code == 1
    left = {file.name for file in tmp_path.iterdir() if file.is_file() or any(file.iterdir())}
    assert left == rest
    assert sorted(caught.value.written) == sorted(str(one.relative_to(tmp_path)) for one in tmp_path.rglob("*.*"))


def test_a_deck_that_fails_takes_both_kinds_of_slides_and_no_more(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object, **named: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr("reportgen.report.slides.deck.build_deck", broken)
    with pytest.raises(OutputsFailed) as caught:
        write_outputs(bundle, tmp_path, ["html", "slides", "pptx"])
    assert list(caught.value.reasons) == ["slides", "pptx"]
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_what_cannot_be_drawn_is_told_by_its_probe(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object) -> None:
        raise ValueError("a bar of no width")

    monkeypatch.setattr("reportgen.figures.kept.CachedFigure.draw_missing", broken)
    with pytest.raises(ShowFailures) as caught:
        write_outputs(bundle, tmp_path, ["html", "figures"], cache=False)
    assert list(caught.value.failures) == ["census"]
    assert list(tmp_path.iterdir()) == []


def test_a_long_title_is_shown_whole_and_cut_where_a_file_has_no_room_for_it(bundle: Bundle, tmp_path: Path) -> None:
    from pptx import Presentation

    title = "long title " * 40
    write_outputs(replace(bundle, title=title), tmp_path, ["html", "pptx"])
    assert title.strip() in (tmp_path / "report.html").read_text()
    about = Presentation(str(tmp_path / "slides.pptx")).core_properties.title
    assert len(about) == 255
    assert about.startswith("long title long title")
    assert about.endswith("…")
