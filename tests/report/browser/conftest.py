"""A page with every kind of figure, once for all tests, in a real Chromium."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reportgen.figures.describe import Figure, HeadMosaic, TokenGrid
from reportgen.look.model_styles import model_styles
from reportgen.report import page
from reportgen.report.content.bundle_figures import make_cached_figures
from reportgen.report.content.drawn import PageFigure
from reportgen.results.bundle import Bundle
from tests.figures.figure_samples import HOSTILE, TOKENS, one_of_each
from tests.report.fakes import GEMMA, LLAMA, fake_bundle

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FURTHER = [(" next", 0.125), ("\u00a0", 0.0625), (HOSTILE, 0.00001)]


def describe_samples() -> dict[str, list[Figure]]:
    """One of each kind, with what strangers may write; of two kinds one a model."""
    plain = [_fill_figure(figure) for figure in one_of_each()]
    grid, mosaic = (next(one for one in plain if isinstance(one, kind)) for kind in (TokenGrid, HeadMosaic))
    return {
        "weather": [grid, replace(grid, subject=(GEMMA,))],
        "heads": [mosaic, replace(mosaic, subject=(GEMMA,), blocks=(1, 3, 6))],
        "map": [one for one in plain if one not in (grid, mosaic)],
        "nearest": [_fill_figure(figure) for figure in one_of_each("hostile", HOSTILE)],
    }


def _fill_figure(figure: Figure) -> Figure:
    """With what only a reader who asks is shown."""
    if isinstance(figure, TokenGrid):
        return replace(figure, alternatives=[[FURTHER] * len(figure.columns)] * len(figure.rows))
    if isinstance(figure, HeadMosaic):
        return replace(figure, queries=TOKENS[:4], keys=TOKENS[:4])
    return figure


@pytest.fixture(scope="module")
def shown() -> tuple[Bundle, dict[str, list[PageFigure]]]:
    figures = describe_samples()
    styles = model_styles([LLAMA, GEMMA])
    flat = [(probe, figure) for probe, of_probe in figures.items() for figure in of_probe]
    drawings: dict[str, list[PageFigure]] = {}
    made = make_cached_figures([(figure, styles) for _, figure in flat])
    for (probe, figure), drawing in zip(flat, made, strict=True):
        stem = f"{probe}-{figure.subject[0]}-{figure.name}"
        svg = drawing.svg("characters")
        small = svg if figure.name == figures[probe][0].name else ""
        drawings.setdefault(probe, []).append(PageFigure(figure, stem, svg, thumbnail=small))
    return fake_bundle(), drawings


@pytest.fixture(scope="module")
def file(shown: tuple[Bundle, dict[str, list[PageFigure]]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("page") / "report.html"
    found.write_text(page.render_page(*shown, has_figure_files=True))
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    # Not for the whole session: while it runs, nothing else in this process could run an event loop of its own.
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is on the path")
    with playwright.sync_playwright() as engine:
        running = engine.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield running
        running.close()


class Visit:
    """A page that was opened, and all that it complained of or asked for."""

    def __init__(self, browser: Any, file: Path, **options: Any) -> None:
        before = options.pop("before", None)
        self.context = browser.new_context(
            **{"viewport": {"width": 1400, "height": 900}, "reduced_motion": "reduce", **options}
        )
        self.context.set_default_timeout(20_000)
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        if before:
            self.page.add_init_script(before)
        self.page.goto(file.as_uri())

    def close(self) -> None:
        self.context.close()


@pytest.fixture
def visit(browser: Any, file: Path) -> Iterator[Any]:
    """Opens the page; afterwards it has complained of nothing, and asked for nothing but itself."""
    visits: list[Visit] = []

    def opened(address: Path = file, **options: Any) -> Any:
        visits.append(Visit(browser, address, **options))
        return visits[-1].page

    yield opened
    for one in visits:
        one.close()
    assert [complaint for one in visits for complaint in one.complaints] == []
    asked = [url for one in visits for url in one.asked if not url.startswith(("data:", "blob:file:", "blob:null"))]
    assert [url for url in asked if not url.startswith("file:") or not url.endswith(".html")] == []
