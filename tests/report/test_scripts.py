"""Twenty scripts on the page and on paper: every character has a glyph in a font that the file brings along."""

import base64
import html as markup
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from fontTools.ttLib import TTFont
from pypdf import PdfReader
from pypdf.generic import ByteStringObject, ContentStream

from reportgen.figures.describe import list_texts
from reportgen.figures.draw import SvgText, draw
from reportgen.look.fonts import load_typefaces
from reportgen.look.legible import families_of, make_legible
from reportgen.report import document, page
from reportgen.report.content.drawn import PageFigure
from reportgen.results.bundle import Bundle
from reportgen.results.quantities import Table
from tests.figures.test_scripts import SCRIPTS, grid
from tests.report.fakes import LLAMA, fake_bundle, prompts
from tests.report.test_document import weasyprint_loads

WORDS = list(SCRIPTS.values())
NOTDEF = b"\0\0"
"""The glyph that stands for a missing one."""


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """The words as title, prompts and tokens of one section."""
    whole = fake_bundle()
    lens = whole.outcomes["weather"][LLAMA]
    tokens = Table(("rank", "token"), [[rank, word] for rank, word in enumerate(WORDS, 1)])
    lens = replace(lens, probe="of_another_package", arrays={}, tables={"top": tokens, "prompts": prompts(WORDS)})
    return replace(whole, title=" ".join(WORDS), outcomes={"weather": {LLAMA: lens}})


def figures(text: SvgText) -> dict[str, list[PageFigure]]:
    """The words in the cells of a grid."""
    figure = replace(grid(), subject=(LLAMA,))
    drawing = draw(figure, typefaces=load_typefaces(list_texts(figure)), styles={})
    return {"weather": [PageFigure(figure, "weather-llama-g", drawing.svg(text))]}


def read_text(html: str) -> str:
    """What a page shows as text, its figures included."""
    body = html[html.index("<body") :]
    return markup.unescape(re.sub(r"<script.*?</script>|<[^>]*>", " ", body, flags=re.DOTALL))


def read_font_characters(html: str) -> set[str]:
    """Every character of the fonts that a page holds."""
    found: set[str] = set()
    for packed in re.findall(r"src:url\(data:font/woff2;base64,([^)]*)\)", html):
        with TTFont(BytesIO(base64.b64decode(packed))) as font:
            found |= {chr(code) for code, glyph in font.getBestCmap().items() if glyph != ".notdef"}
    return found


def runs(read: PdfReader) -> Iterator[tuple[str, bytes]]:
    """Name of the font, and glyphs of two bytes each, of every text that a PDF sets."""
    for sheet in read.pages:
        yield from _runs(read, sheet.get_contents(), sheet["/Resources"])


def _runs(read: PdfReader, stream: Any, resources: Any) -> Iterator[tuple[str, bytes]]:
    known = resources.get_object()
    fonts = known.get("/Font", {}).get_object() if "/Font" in known else {}
    name = ""
    for operands, operator in ContentStream(stream, read, forced_encoding="bytes").operations:
        if operator == b"Tf":
            name = str(fonts[operands[0]].get_object()["/BaseFont"])
        elif operator in (b"Tj", b"TJ"):
            parts = operands[0] if operator == b"TJ" else operands
            for part in parts:
                if isinstance(part, ByteStringObject):
                    yield name, bytes(part)
        elif operator == b"Do":
            form = known["/XObject"].get_object()[operands[0]].get_object()
            if form["/Subtype"] == "/Form":
                yield from _runs(read, form, form.get("/Resources", resources))


def missing(read: PdfReader) -> list[str]:
    """Texts in a font of the system's, or with glyph 0. Of a character in no font at all WeasyPrint complains."""
    found = []
    for name, glyphs in runs(read):
        if "+reportgen" not in name or NOTDEF in (glyphs[at : at + 2] for at in range(0, len(glyphs), 2)):
            found.append(f"{name}: {glyphs.hex()}")
    return found


def test_every_character_of_the_page_is_in_a_font_that_it_holds(bundle: Bundle) -> None:
    html = page.render_page(bundle, figures("characters"))
    shown = read_text(html)
    for word in WORDS:
        assert shown.count(make_legible(word)) >= 3, (
            "as title, prompt and token, whether or not a figure parts its words"
        )
    # what a mark makes with its letter may stand there as one
    characters = set(unicodedata.normalize("NFC", shown)) - set(" \n")
    assert characters - read_font_characters(html) == set()


def test_a_font_that_the_page_lacks_would_be_noticed(bundle: Bundle) -> None:
    html = page.render_page(bundle, figures("characters"))
    without = re.sub(
        r'@font-face\{font-family:"reportgen Sans Thai".*?\)\}', "", re.sub(r"\)\s*format\('woff2'\)", ")", html)
    )
    assert "ส" in read_font_characters(html) - read_font_characters(without)


@pytest.mark.skipif(not weasyprint_loads(), reason="WeasyPrint or Pango is missing")
def test_every_glyph_of_the_pdf_is_one_of_our_fonts_and_stands_for_something(bundle: Bundle, tmp_path: Path) -> None:
    target = tmp_path / "report.pdf"
    assert document.print_pdf(page.render_paper(bundle, figures("simple characters")), target) == ()
    read = PdfReader(target)
    assert missing(read) == []
    used = {name for name, _ in runs(read)}
    families = {family for word in WORDS for family in families_of(make_legible(word))}
    assert {name.partition("+")[2].replace("-", " ") for name in used} >= families
    assert sum(len(glyphs) // 2 for _, glyphs in runs(read)) > 4 * sum(map(len, WORDS))


@pytest.mark.skipif(not weasyprint_loads(), reason="WeasyPrint or Pango is missing")
def test_a_glyph_that_the_pdf_lacks_would_be_noticed(tmp_path: Path) -> None:
    faces = load_typefaces(["a"])
    bare = "<html lang=en><title>t</title><style>{}p{{font-family:'reportgen Sans'}}</style><p>a{}</p></html>"
    complaints = document.print_pdf(bare.format(faces.css(), "\U00012000天"), tmp_path / "x.pdf")
    assert any(".notdef" in one for one in complaints) or missing(PdfReader(tmp_path / "x.pdf"))
    assert document.print_pdf(bare.format(faces.css(), ""), tmp_path / "y.pdf") == ()
    assert missing(PdfReader(tmp_path / "y.pdf")) == []
