"""The default report on the two real models: what a newcomer sees after `make report`."""

import html
import re
import shutil
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont

import reportgen
from reportgen.figures.describe import list_texts
from reportgen.look.fonts import load_typefaces
from reportgen.look.legible import make_legible
from reportgen.report.content.bundle_figures import describe_bundle
from reportgen.results.bundle import Bundle

BATTERY = Path(__file__).parents[1] / "reports" / "llama-vs-gemma.yaml"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return reportgen.run(BATTERY, tmp_path_factory.mktemp("out") / "report")


@pytest.fixture(scope="module")
def page(report: Bundle) -> str:
    return (report.path / "report.html").read_text()


def test_every_probe_ran_on_both_models(report: Bundle) -> None:
    statuses = {(id, subject): o.status for id, by in report.outcomes.items() for subject, o in by.items()}
    assert len(statuses) == 2 * len(report.outcomes) >= 12
    assert set(statuses.values()) == {"ok"}


def test_the_findings_that_the_lecture_shows(report: Bundle) -> None:
    near = report["nearest"]["gemma"].tables["neighbours"].records()
    by_query = {q: [r["token"] for r in near if r["query"] == q] for q in ("apple", "王")}
    assert {"苹果", "蘋果", "iPhone"} <= set(by_query["apple"][:20])
    assert "King" in by_query["王"]
    weather = report["weather"]["gemma"]
    which = weather.tables["prompts"].column("text").index("今天天氣真")
    rows = [r for r in weather.tables["top"].records() if r["prompt"] == which and r["step"] == 0]
    assert " chilly" in [r["token"] for r in rows if r["layer"] == 16][:3]
    assert next(r["token"] for r in rows if r["layer"] == 18) == "冷"


def test_they_stand_legibly_in_page_and_pdf(report: Bundle, page: str) -> None:
    from pypdf import PdfReader

    shown = html.unescape(re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.DOTALL))
    shown = re.sub(r"<[^>]*>", "", shown)
    pdf = "".join(leaf.extract_text() for leaf in PdfReader(report.path / "report.pdf").pages)
    for text in (shown, pdf):
        for word in ("苹果", "蘋果", "chilly", "冷", "King"):
            assert word in text, word
        for mark in ("Ġ", "▁", "\\u", "Ċ", "\ufffd"):
            assert mark not in text, mark


def test_every_character_drawn_has_a_glyph(report: Bundle, page: str) -> None:
    figures = [figure for of_probe in describe_bundle(report).figures.values() for figure in of_probe]
    assert len(figures) >= 20
    drawn = "".join(make_legible(text) for figure in figures for text in list_texts(figure))
    printed = html.unescape(re.sub(r"<(style|svg)\b.*?</\1>|<[^>]*>", "", page, flags=re.DOTALL))
    for characters in (set(drawn), set(printed) - {"\n"}):
        assert len(characters) > 100
        covered = {chr(code) for face in load_typefaces(characters).faces for code in TTFont(face.path).getBestCmap()}
        assert not characters - covered


def test_the_page_asks_the_network_for_nothing_and_keeps_its_budget(page: str) -> None:
    links = re.findall(r'(?:href|src)="([^"]*)"|url\(([^)]*)\)', page)
    targets = [a or b for a, b in links]
    assert targets
    # Without a script, plain links lead to the files of the figures, which lie beside the page.
    assert all(t.startswith(("#", "data:", "figures/")) for t in targets), {t[:40] for t in targets}
    assert not re.search(r'(?:src="|url\()figures/', page)
    assert "<script src" not in page
    assert len(page.encode()) < 6_000_000


@pytest.mark.slow  # of tiny models tests/cli/test_run.py and tests/running/test_execute.py show it every time
def test_a_second_run_and_one_probe_alone_give_the_same_bytes(report: Bundle, tmp_path: Path) -> None:
    again = reportgen.run(BATTERY, tmp_path / "again", formats=["figures"])
    for name in ("results.json", "arrays.safetensors"):
        assert (again.path / name).read_bytes() == (report.path / name).read_bytes(), name
    for file in sorted((report.path / "figures").iterdir()):
        assert (again.path / "figures" / file.name).read_bytes() == file.read_bytes(), file.name
    alone = reportgen.run(BATTERY, tmp_path / "alone", only=["weather", "map"], formats=[])
    for id in ("weather", "map"):
        for subject, outcome in report[id].items():
            assert alone[id][subject].tables == outcome.tables
            for name, array in outcome.arrays.items():
                assert alone[id][subject].arrays[name].values.tobytes() == array.values.tobytes(), (id, subject, name)


@pytest.mark.slow
def test_rendering_again_gives_the_same_page(report: Bundle, page: str, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(report.path, copy)
    reportgen.render(copy, formats=["html"])
    assert (copy / "report.html").read_text() == page
