"""A bundle whose every text is an attempt to break out of its place: it asks for nothing, and leads nowhere."""

from collections.abc import Callable
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from reportgen.baseline.compare import compare
from reportgen.baseline.history import read_history
from reportgen.look.model_styles import model_styles
from reportgen.report import page as report_page
from reportgen.report.comparison import page as comparison_page
from reportgen.report.comparison.pictures import draw_pictures
from reportgen.report.comparison.view import list_loud_sections
from reportgen.report.content.bundle_figures import make_cached_figures
from reportgen.report.content.drawn import PageFigure
from reportgen.results.bundle import Bundle
from reportgen.results.quantities import Array, Metric, Table
from reportgen.workflows.history import write_history
from tests.baseline.nights_written import write_night
from tests.figures.figure_samples import one_of_each
from tests.report.browser.conftest import Visit
from tests.report.fakes import GEMMA, LLAMA, fake_bundle
from tests.report.feature_fakes import bundle_of, features

BREAKOUTS = (
    '"><meta http-equiv="refresh" content="0;url=https://evil.invalid/a">',
    "</title></svg></style></script><base href='https://evil.invalid/'>",
    "'><link rel=stylesheet href=https://evil.invalid/c>",
    '"><form action="https://evil.invalid/d"><button autofocus>x</button></form>',
    '</textarea></template><a href="javascript:alert(1)" style="position:fixed;inset:0">x</a>',
    '"><iframe srcdoc="<script>top.location=1</script>"></iframe>',
    '" onfocus="alert(1)" autofocus tabindex="1" x="',
    "--><script>location='https://evil.invalid/h'</script><!--",
    ']]></desc><image href="https://evil.invalid/i"/><animate onbegin=alert(1)>',
    '\\"></script><script>alert(1)</script>',
    "</noscript><img src=x onerror=alert(1)>",
    "url(https://evil.invalid/l);}*{background:url(https://evil.invalid/m)}",
    "javascript:alert(1)",
    "https://evil.invalid/n",
)
ONCE_A_PAGE = """() => {
  const found = new Set();
  for (const node of document.querySelectorAll('*')) {
    found.add(node.localName);
    for (const one of node.getAttributeNames()) found.add(`${node.localName} ${one}`);
  }
  return [...found].sort();
}"""
LINKS = """() => [...document.querySelectorAll('[href], [src]')].map(
  (one) => one.getAttribute('href') ?? one.getAttribute('src'))"""
OURS = ("#", "data:", "figures/", "https://www.neuronpedia.org/")
Word = Callable[[], str]


def honest() -> Word:
    """Texts without a mark in them."""
    return lambda: "an honest word"


def hostile() -> Word:
    """Each attempt in turn."""
    return cycle(BREAKOUTS).__next__


def replace_texts(word: Word, value: Any) -> Any:
    """A value with other texts in all places of texts, its own keys included where they are not known names."""
    if isinstance(value, str):
        return word()
    if isinstance(value, dict):
        return {key: replace_texts(word, one) for key, one in value.items()}
    return [replace_texts(word, one) for one in value] if isinstance(value, list | tuple) else value


def replace_words(bundle: Bundle, word: Word) -> Bundle:
    """The bundle with other texts: its title, models, options, reasons, names of numbers, units, cells."""
    outcomes = {
        probe: {
            subject: replace(
                one,
                options=replace_texts(word, one.options),
                reason=word() if one.reason else "",
                metrics={
                    **{name: replace(metric, unit=word()) for name, metric in one.metrics.items()},
                    **({word(): Metric(None, word(), reason=word())} if one.status == "ok" else {}),
                },
                tables={name: _told_table(word, table) for name, table in one.tables.items()},
                arrays={name: replace(array, unit=word()) for name, array in one.arrays.items()},
            )
            for subject, one in by.items()
        }
        for probe, by in bundle.outcomes.items()
    }
    models = {
        id: replace(card, name=word(), architecture=word(), facts={**card.facts, "source": word(), "dtype": word()})
        for id, card in bundle.models.items()
    }
    run = {"versions": {word(): word()}, "started": word()}
    return replace(bundle, title=word(), models=models, outcomes=outcomes, run=run)


def _told_table(word: Word, table: Table) -> Table:
    """What is a layer's or a measure's name stays: else there would be nothing to show."""
    known = {"label_origin", "layer_label", "site", "link", "query", "component"}
    kept = {at for at, name in enumerate(table.columns) if name in known}
    return Table(
        table.columns,
        [[cell if at in kept else replace_texts(word, cell) for at, cell in enumerate(row)] for row in table.rows],
    )


def words(folder: Path, word: Word) -> Path:
    """The report without its figures."""
    return _write_page(folder, report_page.render_page(_whole(word), {}))


def report(folder: Path, word: Word) -> Path:
    figures = [figure for figure in one_of_each("x", word()) if figure.subject == (LLAMA,)]
    figures = [replace(figure, title=word(), alt=word()) for figure in figures]
    drawings = make_cached_figures([(figure, model_styles([LLAMA, GEMMA])) for figure in figures])
    shown = [
        PageFigure(figure, f"weather-{figure.name}", drawing.svg("characters"))
        for figure, drawing in zip(figures, drawings, strict=True)
    ]
    return _write_page(folder, report_page.render_page(_whole(word), {"weather": shown}, has_figure_files=True))


def _whole(word: Word) -> Bundle:
    bundle = fake_bundle()
    return replace_words(replace(bundle, outcomes={**bundle.outcomes, **bundle_of(features(8)).outcomes}), word)


def write_compared(folder: Path, word: Word) -> Path:
    before, after = fake_bundle(), replace_words(fake_bundle(), word)
    lens = before.outcomes["weather"][LLAMA]
    entropy = lens.arrays["entropy"]
    moved = replace(lens, arrays={**lens.arrays, "entropy": Array(entropy.dims, entropy.values + 1, entropy.unit)})
    outcomes = {**after.outcomes, "weather": {**after.outcomes["weather"], LLAMA: moved}}
    found = compare(before, replace(after, outcomes=outcomes), {}, {})
    return _write_page(folder, comparison_page.render_page(found, draw_pictures(found, list_loud_sections(found))))


def write_nightly(folder: Path, word: Word) -> Path:
    """The titles and models of some nights; a number whose name is none is refused where it is read."""
    title, name = word(), word()
    for night in range(8):
        metrics = {"kl": 1.0 + (night > 4), "entropy": 1.0}
        write_night(folder / "nights" / f"n{night}", night, metrics, title=title, name=name)
    (folder / "nights" / "n3" / "results.json").write_text("{")
    write_history(read_history(folder / "nights", {}, {}), folder / "page.html")
    return folder / "page.html"


def _write_page(folder: Path, html: str) -> Path:
    (folder / "page.html").write_text(html)
    return folder / "page.html"


@pytest.mark.parametrize(
    "kind",
    [
        words,
        write_nightly,
        pytest.param(report, marks=pytest.mark.slow),
        pytest.param(write_compared, marks=pytest.mark.slow),
    ],
)
def test_strangers_words_add_no_element_no_attribute_no_request_and_lead_nowhere(
    browser: Any, tmp_path: Path, kind: Callable[[Path, Word], Path]
) -> None:
    found = []
    for name, word in (("honest", honest()), ("hostile", hostile())):
        (tmp_path / name).mkdir()
        file = kind(tmp_path / name, word)
        visit = Visit(browser, file)
        opened = visit.page
        dialogs, moved = [], []
        opened.on("dialog", lambda one, dialogs=dialogs: dialogs.append(one) or one.dismiss())
        opened.on("framenavigated", lambda one, moved=moved: moved.append(one))
        for details in opened.locator("details").all():
            details.evaluate("one => { one.open = true; }")
        opened.wait_for_timeout(300)
        assert opened.url == file.as_uri()
        assert ("evil.invalid" in opened.content()) == (name == "hostile")
        assert opened.locator("base, link, iframe, form, object, embed").count() == 0
        assert [one for one in opened.evaluate(LINKS) if not one.startswith(OURS)] == []
        assert (dialogs, moved) == ([], [])
        assert visit.complaints == []
        assert [url for url in visit.asked if url != file.as_uri() and not url.startswith("data:")] == []
        found.append(set(opened.evaluate(ONCE_A_PAGE)))
        visit.close()
    assert found[1] - found[0] == set()


def test_markup_that_came_in_could_not_lead_links_away(browser: Any, tmp_path: Path) -> None:
    text = report_page.render_page(fake_bundle(), {})
    file = _write_page(tmp_path, text.replace("<body>", '<body><base href="https://evil.invalid/">'))
    opened = Visit(browser, file)
    assert opened.page.evaluate("document.baseURI") == file.as_uri()
    (complaint,) = opened.complaints
    assert "base-uri 'none'" in complaint
    opened.close()
