import importlib
import sys

import pytest
from pypdf import PdfReader

from reportgen.errors import OutputError
from reportgen.report import document, page
from tests.report.fakes import hostile
from tests.report.test_page import QUESTIONS

pytestmark = pytest.mark.skipif(document.available() is not None, reason=str(document.available()))


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return tmp_path_factory.mktemp("pdf")


@pytest.fixture
def printed(bundle, drawings, kept):
    """(path, warnings), printed once for all tests here."""
    target = kept / "report.pdf"
    if not target.exists():
        assert document.pdf(page.paper(bundle, drawings), target) == (), "WeasyPrint complained"
    return target


def test_it_has_title_language_bookmarks_and_tags(printed):
    read = PdfReader(printed)
    assert read.metadata.title == "Llama vs Gemma"
    assert read.trailer["/Root"]["/Lang"] == "en"
    assert read.trailer["/Root"]["/MarkInfo"]["/Marked"].value is True
    bookmarks = [entry.title for entry in read.outline if not isinstance(entry, list)]
    assert bookmarks == ["What was compared", *QUESTIONS]


def test_its_contents_name_the_page_of_each_section(printed):
    read = PdfReader(printed)
    first = read.pages[0].extract_text()
    starts = {
        entry.title: read.get_destination_page_number(entry) + 1
        for entry in read.outline
        if not isinstance(entry, list)
    }
    for question in QUESTIONS:
        line = next(line for line in first.splitlines() if line.startswith(question))
        assert line.split()[-1] == str(starts[question])


def test_pages_are_numbered_under_running_heads(printed):
    read = PdfReader(printed)
    assert len(read.pages) > 6
    second = read.pages[1].extract_text()
    assert "Llama vs Gemma" in second
    assert second.count(QUESTIONS[0]) == 2, "as a title and at the head of the page"
    for number, sheet in enumerate(read.pages, 1):
        assert str(number) in sheet.extract_text().split()


def test_wide_figures_have_landscape_pages(printed):
    sizes = [(p.mediabox.width > p.mediabox.height) for p in PdfReader(printed).pages]
    assert sum(sizes) == 2


def test_equal_pages_give_equal_files(printed, bundle, drawings, tmp_path):
    again = tmp_path / "again.pdf"
    document.pdf(page.paper(bundle, drawings), again)
    assert again.read_bytes() == printed.read_bytes()


def test_hostile_text_prints_without_complaint(bundle, tmp_path):
    target = tmp_path / "report.pdf"
    assert document.pdf(page.paper(hostile(bundle), {}), target) == ()
    assert PdfReader(target).metadata.title.startswith("<script>alert(1)</script>")


@pytest.mark.parametrize(
    "element",
    [
        '<link rel="attachment" href="file://{secret}">',
        '<img src="file://{secret}" alt="x">',
        '<link rel="stylesheet" href="file://{secret}">',
        '<img src="http://127.0.0.1:9/x.png" alt="x">',
    ],
)
def test_nothing_of_the_disk_or_network_is_fetched(element, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("hidden")
    target = tmp_path / "out.pdf"
    html = f'<html lang="en"><head><title>t</title></head><body>{element.format(secret=secret)}</body></html>'
    complaints = document.pdf(html, target)
    assert len(complaints) == 1
    assert "URI uses disallowed protocol" in complaints[0]
    assert not PdfReader(target).attachments


def test_a_file_that_cannot_be_written_is_one_error_and_leaves_nothing(tmp_path):
    with pytest.raises(OutputError, match="the PDF could not be written: No such file or directory") as caught:
        document.pdf("<p>x</p>", tmp_path / "missing" / "report.pdf")
    assert caught.value.exit_code == 1
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def unknown(monkeypatch):
    """available() asked anew."""
    document.available.cache_clear()
    monkeypatch.delitem(sys.modules, "weasyprint", raising=False)
    yield monkeypatch
    document.available.cache_clear()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError("cannot load library 'libpango-1.0-0'"), "the PDF needs Pango: libpango-1.0-0 and libpangoft2-1.0-0"),
        (ModuleNotFoundError("weasyprint"), "the PDF needs WeasyPrint"),
    ],
)
def test_what_is_missing_is_named(unknown, error, reason, tmp_path):
    def refuse(name):
        raise error

    unknown.setattr(importlib, "import_module", refuse)
    assert document.available().startswith(reason)
    with pytest.raises(OutputError, match=reason):
        document.pdf("<p>x</p>", tmp_path / "report.pdf")
