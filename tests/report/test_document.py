import contextlib
import importlib
import io
import re
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageChops
from pypdf import PdfReader

from reportgen.errors import OutputError
from reportgen.language import use_language
from reportgen.report import document, page
from reportgen.report.content.drawn import PageFigure
from reportgen.report.content.many_models import choose_shown
from reportgen.results.quantities import Metric, Table
from tests.report.fakes import LLAMA, curves, hostile, outcome, svg
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
        assert document.print_pdf(page.render_paper(bundle, drawings), target) == (), "WeasyPrint complained"
    return target


def test_it_has_title_language_bookmarks_and_tags(printed):
    read = PdfReader(printed)
    assert read.metadata.title == "Llama vs Gemma"
    assert read.trailer["/Root"]["/Lang"] == "en"
    assert read.trailer["/Root"]["/MarkInfo"]["/Marked"].value is True
    bookmarks = [entry.title for entry in read.outline if not isinstance(entry, list)]
    assert bookmarks == ["What was compared", "Findings", *QUESTIONS]
    about = read.xmp_metadata
    assert about is not None
    assert b"pdfuaid" in about.stream.get_data()


def test_its_contents_name_the_page_of_each_section(printed):
    read = PdfReader(printed)
    first = read.pages[0].extract_text()
    starts = {
        entry.title: read.get_destination_page_number(entry) + 1
        for entry in read.outline
        if not isinstance(entry, list)
    }
    for question in ("Findings", *QUESTIONS):
        line = next(line for line in first.splitlines() if line.startswith(question))
        assert line.split()[-1] == str(starts[question])


def test_pages_are_numbered_under_running_heads(printed):
    read = PdfReader(printed)
    assert len(read.pages) > 6
    third = read.pages[2].extract_text()
    assert "Llama vs Gemma" in third
    assert third.count(QUESTIONS[0]) == 2, "as a title and at the head of the page"
    for number, sheet in list(enumerate(read.pages, 1))[1:]:
        assert str(number) in sheet.extract_text().split()


def test_its_title_page_names_the_models_with_their_facts_and_what_was_measured(printed):
    first = PdfReader(printed).pages[0].extract_text()
    for said in ("Llama vs Gemma", "SmolLM2-135M-Instruct", "135 M parameters", "Gemma-3-270M", *QUESTIONS):
        assert said in first
    assert first.index("Gemma-3-270M") < first.index("Contents") < first.index(QUESTIONS[0])


def test_every_picture_is_tagged_with_what_it_shows(printed, drawings):
    told = sorted(alternatives(PdfReader(printed).trailer["/Root"]["/StructTreeRoot"]))
    assert told == sorted(one.description.alt for of_probe in drawings.values() for one in of_probe)


def alternatives(element):
    element = element.get_object()
    if isinstance(element, list):
        for child in element:
            yield from alternatives(child)
    elif isinstance(element, dict):
        if "/Alt" in element:
            yield str(element["/Alt"])
        if "/K" in element:
            yield from alternatives(element["/K"])


def test_all_text_is_set_in_the_fonts_that_it_brings(bundle, tmp_path):
    families = "'reportgen Sans', 'reportgen Sans Symbols', 'reportgen Rest'"
    text = f'<text x="9" y="20" font-family="{families}">↓ layer ⴰ</text></svg>'
    figure = curves((LLAMA,), "raw")
    drawing = PageFigure(figure, "apple-llama-raw", svg(396.0, 260.0).replace("</svg>", text))
    target = tmp_path / "report.pdf"
    assert document.print_pdf(page.render_paper(one_section(bundle, "apple"), {"apple": [drawing]}), target) == ()
    found = fonts(PdfReader(target))
    assert any(font.endswith("reportgen-Sans") for font in found)
    assert all("+reportgen" in font for font in found), found


def one_section(bundle, probe):
    return replace(bundle, outcomes={probe: bundle.outcomes[probe]})


def fonts(read):
    """Of the pages and of the pictures on them."""
    found = set()
    for sheet in read.pages:
        resources = [sheet["/Resources"]]
        while resources:
            one = resources.pop().get_object()
            found |= {font.get_object()["/BaseFont"] for font in one.get("/Font", {}).get_object().values()}
            forms = one.get("/XObject", {}).get_object().values()
            resources += [form.get_object()["/Resources"] for form in forms if "/Resources" in form.get_object()]
    return found


def test_a_table_too_wide_for_any_page_is_split_between_its_columns(bundle, tmp_path):
    names = tuple(f"quantity{n}" for n in range(40))
    wide = Table(names, [[f"cell-{n:02d}-long" for n in range(40)]])
    outcome = bundle.outcomes["census"][LLAMA]
    outcome = replace(outcome, tables={**outcome.tables, "wide": wide})
    target = tmp_path / "report.pdf"
    made = replace(bundle, outcomes={"census": {LLAMA: outcome}})
    assert document.print_pdf(page.render_paper(made, {}), target) == ()
    turned = [sheet for sheet in PdfReader(target).pages if sheet.mediabox.width > sheet.mediabox.height]
    assert turned, "landscape pages"
    text = "".join(sheet.extract_text() for sheet in turned)
    assert all(f"cell-{n:02d}-long" in text for n in range(40)), "every column whole"
    assert text.count("cell-00-long") > 1, "each part begins with the first column"


def test_a_right_to_left_language_turns_the_pages(bundle, tmp_path):
    target = tmp_path / "report.pdf"
    with use_language("ar"):
        assert document.print_pdf(page.render_paper(one_section(bundle, "apple"), {}), target) == ()
    read = PdfReader(target)
    assert read.trailer["/Root"]["/Lang"] == "ar"
    found = []
    read.pages[1].extract_text(
        visitor_text=lambda text, cm, tm, *_: found.append((text.strip(), tm[4] * cm[0] + cm[4]))
    )
    numbers = [x for text, x in found if text == "2"]
    assert numbers
    assert min(numbers) < float(read.pages[1].mediabox.width) / 4, "its number stands at the left"


@pytest.mark.skipif(shutil.which("pdftoppm") is None, reason="pdftoppm is missing")
def test_nothing_reaches_into_the_margins(printed, tmp_path):
    subprocess.run(["pdftoppm", "-r", "36", "-gray", "-png", printed, tmp_path / "page"], check=True)
    pages = sorted(tmp_path.glob("*.png"))
    assert len(pages) == len(PdfReader(printed).pages)
    for number, one in enumerate(pages, 1):
        image = Image.open(one)
        left, top, right, bottom = ImageChops.invert(image).getbbox()
        # 18 mm are 25 pixels; above and below are the running heads.
        assert left >= 24, number
        assert image.width - right >= 24, number
        assert top >= 8, number
        assert image.height - bottom >= 8, number


def test_wide_figures_have_landscape_pages(printed):
    sizes = [(p.mediabox.width > p.mediabox.height) for p in PdfReader(printed).pages]
    assert sum(sizes) == 2


@pytest.mark.slow
def test_equal_pages_give_equal_files(printed, bundle, drawings, tmp_path):
    again = tmp_path / "again.pdf"
    document.print_pdf(page.render_paper(bundle, drawings), again)
    assert again.read_bytes() == printed.read_bytes()


def test_hostile_text_prints_without_complaint(bundle, tmp_path):
    target = tmp_path / "report.pdf"
    assert document.print_pdf(page.render_paper(hostile(bundle), {}), target) == ()
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
    complaints = document.print_pdf(html, target)
    assert len(complaints) == 1
    assert "URI uses disallowed protocol" in complaints[0]
    assert not PdfReader(target).attachments


def test_a_file_that_cannot_be_written_is_one_error_and_leaves_nothing(tmp_path):
    with pytest.raises(OutputError, match="the PDF could not be written: No such file or directory") as caught:
        document.print_pdf("<p>x</p>", tmp_path / "missing" / "report.pdf")
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
    with pytest.raises(document.PrinterMissing, match=reason):
        document.print_pdf("<p>x</p>" * 100_000, target)
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


MARGIN = 18 / 25.4 * 72 - 1
"""Points at both sides of a page that stay empty."""
NAMES = ("Meta-Llama-3.1-8B-Instruct", "Mistral-Nemo-Instruct-2407", "Qwen2.5-14B-Instruct-1M", "gemma-3-27b-it")


def many_models(bundle, count):
    """A bundle of so many models with long names, each with metrics and prompts of its own."""
    ids = [f"m{at}" for at in range(count)]
    models = {id: replace(bundle.models[LLAMA], id=id, name=f"{NAMES[at % 4]}-{at}") for at, id in enumerate(ids)}
    prompts = bundle.outcomes["weather"][LLAMA].tables["prompts"]
    outcomes = {
        id: outcome(
            "of_another_package", id,
            metrics={"size": Metric(134_515_008 + at, "parameters"), "layers": Metric(30, "blocks")},
            tables={"prompts": prompts},
        )
        for at, id in enumerate(ids)
    }  # fmt: skip
    return replace(bundle, models=models, outcomes={"sizes": outcomes})


def words_of(file):
    """Page -> (width, [(left, right, word)]) in points, as a reader sees them."""
    told = subprocess.run(["pdftotext", "-bbox", file, "-"], check=True, capture_output=True, text=True).stdout
    for page_told in told.split("<page ")[1:]:
        width = float(re.match(r'width="([\d.]+)"', page_told)[1])
        words = re.findall(r'<word xMin="([\d.-]+)" .*?xMax="([\d.-]+)".*?>(.*?)</word>', page_told)
        yield width, [(float(left), float(right), word) for left, right, word in words]


def beyond(pages):
    """Words that reach into a margin."""
    return [one for width, words in pages for one in words if one[0] < MARGIN or one[1] > width - MARGIN]


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="Poppler is missing")
@pytest.mark.parametrize(
    "count", [pytest.param(4, marks=pytest.mark.slow), 8, pytest.param(12, marks=pytest.mark.slow)]
)
def test_a_table_with_a_column_a_model_stays_on_its_page_however_many_there_are(bundle, tmp_path, count):
    target = tmp_path / "report.pdf"
    assert document.print_pdf(page.render_paper(many_models(bundle, count), {}), target) == ()
    pages = list(words_of(target))
    assert beyond(pages) == []
    joined = "".join(word for _, words in pages for *_, word in words)
    told = [joined.count(f"{NAMES[at % 4]}-{at}") for at in range(count)]
    shown = choose_shown([str(at) for at in range(count)])
    assert min(told) >= 2, "each among the models, and in the numbers"
    assert all(told[int(at)] >= 3 for at in shown), "the prompts of those that are shown"
    assert all(f"{134_515_008 + at:,}" in joined for at in range(count))


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="Poppler is missing")
def test_a_table_of_strangers_words_stays_on_its_page(bundle, tmp_path):
    columns = ("wording", "x" * 90, "tokens")
    table = Table(columns, [["y" * 300, "z" * 300, "天" * 300], [1, "b", "c"]])
    told = outcome("of_another_package", LLAMA, metrics={"n" * 90: Metric(1e300, "u" * 90)}, tables={"told": table})
    target = tmp_path / "report.pdf"
    bundle = replace(bundle, models={LLAMA: bundle.models[LLAMA]}, outcomes={"told": {LLAMA: told}})
    document.print_pdf(page.render_paper(bundle, {}), target)
    assert beyond(words_of(target)) == []


@pytest.mark.slow
def test_a_token_of_ten_thousand_characters_is_printed_about_as_soon_as_one_of_two_hundred(bundle, tmp_path):
    def seconds(size):
        table = Table(("rank", "token", "text"), [[at, "a" * size, "ก" * size] for at in range(1, 6)])
        told = outcome("of_another_package", LLAMA, tables={"told": table})
        of_one = replace(bundle, models={LLAMA: bundle.models[LLAMA]}, outcomes={"told": {LLAMA: told}})
        html = page.render_paper(of_one, {})
        begun = time.perf_counter()
        document.print_pdf(html, tmp_path / "report.pdf")
        return time.perf_counter() - begun

    assert seconds(10_000) < 4 * seconds(200), "cut after 300"


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="Poppler is missing")
def test_no_last_page_holds_just_one_line(bundle, tmp_path):
    """A page holds about 42 rows of numbers: each of these lengths ends elsewhere on it, some just past its end."""
    table = Table(("a", "b"), [[at, "x"] for at in range(8)])
    weasyprint, html = importlib.import_module("weasyprint"), ""
    for rows in range(40, 46):
        metrics = {f"m{at}": Metric(float(at), "u") for at in range(rows)}
        told = outcome("of_another_package", LLAMA, metrics=metrics, tables={"t": table})
        made = replace(bundle, models={LLAMA: bundle.models[LLAMA]}, outcomes={"told": {LLAMA: told}})
        html = page.render_paper(made, {})
        weasyprint.HTML(string=html).write_pdf(tmp_path / "report.pdf")
        command = ["pdftotext", "-layout", str(tmp_path / "report.pdf"), "-"]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        last = [line for line in text.rstrip().split("\f")[-1].splitlines() if line.strip()]
        assert len(last) - 2 >= 3, (rows, last)  # less the head and the number of the page
    assert html.index("All numbers of this report") < html.index('class="probe"')
