"""The documentation as it is built: strictly, with a figure on every probe's page, readable and searchable offline."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from reportgen.probes import registry
from tests.docs.blocks import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(5400)]
LOOKED_AT = (
    "index",
    "gallery/index",
    "how-to/ci",
    "reference/battery",
    "reference/probes/index",
    "reference/probes/logit_lens",
)
_TAG = re.compile(r"<(a|link|script|img|iframe)\b[^>]*?\s(?:href|src)=\"?([^\"\s>]+)", re.IGNORECASE)
_ID = re.compile(r"\sid=\"?([^\"\s>]+)")


@pytest.fixture(scope="module")
def site(user_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole site, built as `make docs` builds it: what the user's cache holds is not measured again."""
    built = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(built)]
    environment = {**os.environ, "REPORTGEN_CACHE": str(user_cache), "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stderr.strip() == "", "a warning"
    return built


def test_every_probe_has_a_page_with_a_figure(site: Path) -> None:
    for name in registry.names():
        page = (site / "reference" / "probes" / f"{name}.html").read_text()
        assert f'src="figures/{name}.svg"' in page
        drawn = (site / "reference" / "probes" / "figures" / f"{name}.svg").read_text()
        assert drawn.count("<path") + drawn.count("<use") + drawn.count("<image") > 5, name


def test_no_link_is_dead_and_nothing_is_asked_of_a_network(site: Path) -> None:
    pages = {path: path.read_text() for path in site.rglob("*.html")}
    assert len(pages) > 70
    anchors = {path: {unquote(one) for one in _ID.findall(text)} for path, text in pages.items()}
    assert sum(len(_TAG.findall(text)) for text in pages.values()) > 5000
    dead, asked = [], []
    for path, text in pages.items():
        for tag, target in _TAG.findall(text):
            parts = urlsplit(target.replace("&amp;", "&"))
            if parts.scheme or parts.netloc:
                asked += [(path.name, target)] if tag.lower() != "a" and parts.scheme != "data" else []
                continue
            base = site if path.name == "404.html" else path.parent
            to = (base / unquote(parts.path).lstrip("/")).resolve() if parts.path else path
            to = to / "index.html" if to.is_dir() else to
            missing = parts.fragment and to in anchors and unquote(parts.fragment) not in anchors[to]
            if not to.is_file() or (missing and not parts.fragment.startswith("__")):
                dead.append((path.relative_to(site).as_posix(), target))
    assert dead == []
    assert asked == []


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from tests.report.browser.conftest import NAMES, shutil

    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is on the path")
    with playwright.sync_playwright() as engine:
        running = engine.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield running
        running.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page", LOOKED_AT)
def test_axe_finds_nothing_serious(site: Path, browser: Any, page: str, scheme: str) -> None:
    opened = browser.new_page(color_scheme=scheme, viewport={"width": 1300, "height": 900})
    asked: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto((site / f"{page}.html").as_uri())
    opened.evaluate((files("axe_playwright_python") / "axe.min.js").read_text())
    found = opened.evaluate("axe.run()")
    opened.close()
    told = [
        (one["impact"], one["id"], [node["html"][:200] for node in one["nodes"]][:3]) for one in found["violations"]
    ]
    assert found["passes"]
    assert [one for one in told if one[0] in ("serious", "critical")] == [], json.dumps(told, indent=1)
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


def test_a_phone_never_scrolls_sideways(site: Path, browser: Any) -> None:
    opened = browser.new_page(viewport={"width": 390, "height": 800})
    for page in LOOKED_AT:
        opened.goto((site / f"{page}.html").as_uri())
        assert opened.evaluate("document.documentElement.scrollWidth") <= 390, page
    opened.close()


def test_search_works_from_a_disk(site: Path, browser: Any) -> None:
    opened = browser.new_page()
    opened.goto((site / "index.html").as_uri())
    opened.locator("input.md-search__input").first.click()
    opened.keyboard.type("silhouette")
    opened.wait_for_selector(".md-search-result__link", timeout=30_000)
    links = opened.locator(".md-search-result__link").evaluate_all("all => all.map(one => one.href)")
    opened.close()
    assert any("reference/probes/clusters" in link for link in links), links
