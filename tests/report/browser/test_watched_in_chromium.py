"""The page that `run --watch` leaves loads itself anew when a run has written another, and lets nothing else in."""

import time
from pathlib import Path
from typing import Any

from reportgen.report.watched import make_watched_page


def write_watched(report: str, folder: Path) -> Path:
    page, picture = make_watched_page(report)
    (folder / "watch.html").write_text(page)
    (folder / "watch.svg").write_text(picture)
    return folder / "watch.html"


def test_another_page_is_shown_once_it_is_written_and_the_same_one_is_left_alone(
    browser: Any, file: Path, tmp_path: Path
) -> None:
    report = file.read_text()
    page = browser.new_page()
    page.set_default_timeout(10_000)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(write_watched(report, tmp_path).as_uri())
    page.evaluate("window.first = true")
    write_watched(report, tmp_path)
    page.wait_for_timeout(2_500)
    assert page.evaluate("window.first")
    title = report.partition("<title>")[2].partition("</title>")[0]
    write_watched(report.replace(f"<title>{title}", "<title>Another one"), tmp_path)
    deadline = time.monotonic() + 20
    while not page.title().startswith("Another one") and time.monotonic() < deadline:
        page.wait_for_timeout(100)
    assert page.title().startswith("Another one")
    assert page.evaluate("window.first") is None
    assert complaints == []
    assert page.evaluate("fetch('watch.svg').then(() => 'read', () => 'refused')") == "refused"
    page.close()
