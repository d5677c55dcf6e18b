import contextlib
import importlib
import io
from pathlib import Path

import pytest
from pypdf import PdfReader

from reportgen.errors import OutputError
from reportgen.report import document, page
from tests.report.fakes import hostile
from tests.report.test_page import QUESTIONS


def weasyprint_loads() -> bool:
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            importlib.import_module("weasyprint")
        except (ImportError, OSError):
            return False
    return True


pytestmark = pytest.mark.skipif(not weasyprint_loads(), reason="WeasyPrint or Pango is missing")


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


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("OSError(\"cannot load library 'libpango-1.0-0'\")", "the PDF needs Pango: libpango-1.0-0 and libpangoft2"),
        ("ModuleNotFoundError('weasyprint')", "the PDF needs WeasyPrint"),
    ],
)
def test_what_is_missing_is_named(monkeypatch, error, reason, tmp_path):
    (tmp_path / "weasyprint.py").write_text(f"print('a page of advice')\nraise {error}\n")
    monkeypatch.syspath_prepend(tmp_path)
    target = tmp_path / "report.pdf"
    with pytest.raises(document.Unavailable, match=reason):
        document.pdf("<p>x</p>" * 100_000, target)
    assert not target.exists()


def test_a_printing_that_is_given_up_ends_and_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), document.Printer(tmp_path / "report.pdf") as printer:  # noqa: PT012
        printer.begin("<p>x</p>")
        raise KeyboardInterrupt
    assert printer._child.returncode is not None
    assert not Path(tmp_path / "report.pdf").exists()


def test_no_page_prints_nothing(tmp_path):
    with document.Printer(tmp_path / "report.pdf") as printer:
        printer.begin("")
        assert printer.finish() == ()
    assert list(tmp_path.iterdir()) == []
