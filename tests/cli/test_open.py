import os
import webbrowser
from pathlib import Path

import pytest


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The addresses that a browser was asked for; the working directory is empty, and there is a display."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("DISPLAY", ":0")
    for name in ("WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    asked: list[str] = []
    monkeypatch.setattr(webbrowser, "open", asked.append)
    return asked


def make_bundle(folder: str, *pages: str, time: int = 0) -> Path:
    bundle = Path(folder)
    bundle.mkdir(parents=True)
    for name in ("results.json", "run.json", *pages):
        (bundle / name).write_text("{}")
    os.utime(bundle / "run.json", (time, time))
    return bundle


@pytest.mark.parametrize(
    ("pages", "shown"), [(["report.html", "report.pdf"], "report.html"), (["report.pdf"], "report.pdf")]
)
def test_the_page_or_else_the_pdf_is_opened(opened: list[str], reportgen, pages: list[str], shown: str) -> None:
    bundle = make_bundle("a bundle", *pages)
    found = reportgen("open", bundle)
    assert (found.code, found.out) == (0, f"a bundle/{shown}\n")
    assert opened == [(bundle.resolve() / shown).as_uri()]


def test_a_battery_names_its_bundle(opened: list[str], reportgen) -> None:
    make_bundle("reports/mine", "report.html")
    assert reportgen("open", "reports/mine.yaml").out == "reports/mine/report.html\n"
    assert len(opened) == 1


def test_the_newest_is_opened_where_none_is_named(opened: list[str], reportgen) -> None:
    make_bundle("old", "report.html", time=100)
    make_bundle("reports/new", "report.html", time=300)
    make_bundle("reports/older", "report.html", time=200)
    make_bundle("elsewhere/newer", "report.html", time=400)
    (Path("reports") / "no-bundle").mkdir()
    assert reportgen("open").out == "reports/new/report.html\n"


def test_inside_a_bundle(opened: list[str], monkeypatch: pytest.MonkeyPatch, reportgen) -> None:
    monkeypatch.chdir(make_bundle("one", "report.html"))
    assert reportgen("open").out == "report.html\n"


def test_without_a_display_the_path_is_printed(opened: list[str], monkeypatch: pytest.MonkeyPatch, reportgen) -> None:
    monkeypatch.delenv("DISPLAY")
    make_bundle("one", "report.html")
    assert (reportgen("open", "one").out, opened) == ("one/report.html\n", [])
    monkeypatch.setenv("BROWSER", "some-browser")
    reportgen("open", "one")
    assert len(opened) == 1


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ([], "error: there is no bundle here, nor in reports/\n  Make one: reportgen run BATTERY, or reportgen demo\n"),
        (["gone"], "error: gone: there is no such bundle\n  A bundle is a folder that `reportgen run` wrote.\n"),
        (["."], "error: .: this is no bundle\n  A bundle is a folder that `reportgen run` wrote.\n"),
        (["b.yaml"], "error: b.yaml has no bundle yet\n  Make it: reportgen run b.yaml\n"),
    ],
)
def test_what_is_not_there_is_told(opened: list[str], reportgen, asked: list[str], told: str) -> None:
    found = reportgen("open", *asked)
    assert (found.code, found.out, found.err, opened) == (1, "", told, [])


def test_a_bundle_without_pages_says_how_to_make_them(opened: list[str], reportgen) -> None:
    make_bundle("one")
    assert reportgen("open").err == "error: one has neither page nor PDF\n  Make them: reportgen render one\n"
