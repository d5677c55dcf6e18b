import io
import re
import shutil
import subprocess
import zipfile
from dataclasses import replace

import pytest
from pptx import Presentation
from pptx.util import Pt
from pypdf import PdfReader

from reportgen.errors import OutputError
from reportgen.figures.kept import CachedFigure
from reportgen.language import use_language
from reportgen.look.theme import BUILT_IN
from reportgen.report.slides import pages as slides
from reportgen.report.slides.powerpoint import write_powerpoint
from tests.report.deck_samples import sample
from tests.report.fakes import HOSTILE

SVG = "http://schemas.microsoft.com/office/drawing/2016/SVG/main"


@pytest.fixture(scope="module")
def deck():
    return sample()


@pytest.fixture(scope="module")
def written(deck):
    return write_powerpoint(deck)


@pytest.fixture(scope="module")
def read(written):
    return Presentation(io.BytesIO(written))


def pictures(sheet):
    return [shape for shape in sheet.shapes if shape.shape_type is not None and shape.shape_type.name == "PICTURE"]


def test_it_is_sixteen_to_nine_with_a_real_title_on_every_slide(read, deck):
    assert (read.slide_width, read.slide_height) == (Pt(960), Pt(540))
    titles = [sheet.shapes.title.text_frame.text for sheet in read.slides]
    assert titles == [deck.title, *(slide.title for slide in deck.slides)]
    assert len(read.slide_layouts) == 2, "none that no slide has"


def test_each_picture_is_a_vector_with_a_png_and_says_what_it_shows(read, deck):
    for sheet, slide in zip(list(read.slides)[1:], deck.slides, strict=True):
        shown = pictures(sheet)
        assert len(shown) == len(slide.pictures)
        for shape, picture in zip(shown, slide.pictures, strict=True):
            assert shape.image.content_type == "image/png"
            vector = shape._element.find(f".//{{{SVG}}}svgBlip")
            relation = vector.get("{http://schemas.openxmlformats.org/officeDocument/2006/relationships}embed")
            part = sheet.part.related_part(relation)
            assert part.content_type == "image/svg+xml"
            assert part.blob == picture.figure.drawing.svg("paths").encode()
            assert shape._element.nvPicPr.cNvPr.get("descr")
            assert shape.width / shape.height == pytest.approx(picture.size[0] / picture.size[1], rel=0.01)


def test_its_speaker_notes_hold_the_explanation_and_the_definitions(read, deck):
    notes = read.slides[4].notes_slide.notes_text_frame.text
    assert "How similar the model's representations of one word are" in notes
    assert "The cosine of the residual stream" in notes
    assert "raw (cosine): " in notes


def test_its_speaker_notes_quote_the_prompts_that_figures_call_by_numbers(read):
    noted = {sheet.shapes.title.text_frame.text: sheet.notes_slide.notes_text_frame.text for sheet in read.slides}
    quoted = {title: re.findall(r"^\d+: .*", text, re.MULTILINE) for title, text in noted.items()}
    assert quoted["天氣"] == ["0: 天氣", "1: 今天天氣真", "2: The capital of France is"]
    assert len(quoted["SmolLM2-135M-Instruct: cosine"]) == 4
    assert quoted["Parameters by component"] == []


def test_speaker_notes_that_quote_some_prompts_say_of_how_many(read, monkeypatch):
    told = "of 3 prompts; all of them are in results.json."
    assert not any(told in sheet.notes_slide.notes_text_frame.text for sheet in read.slides if sheet.has_notes_slide)
    monkeypatch.setattr("reportgen.report.slides.deck.QUOTED_PROMPTS", 2)
    notes = next(slide.notes for slide in sample().slides if slide.title == "天氣")
    assert f"The first 2 {told}" in notes
    assert "2: The capital of France is" not in notes


def test_the_sentence_and_the_definition_stand_on_the_slide(read, deck):
    words = [shape.text_frame.text for shape in read.slides[4].shapes if shape.has_text_frame]
    assert deck.slides[3].sentence in words
    assert deck.slides[3].kicker in words
    assert any(word.startswith("Cosine of the residual stream") for word in words)


def test_equal_decks_are_equal_files_without_a_clock(written, read):
    assert write_powerpoint(sample()) == written
    with zipfile.ZipFile(io.BytesIO(written)) as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.namelist()[0] == "[Content_Types].xml"
        assert not [name for name in archive.namelist() if "thumbnail" in name or "printer" in name]
    about = read.core_properties
    assert (about.title, about.author, about.language) == ("Llama vs Gemma", "reportgen", "en")
    assert about.created.year == about.modified.year == 1980


def test_a_right_to_left_language_turns_its_paragraphs(deck):
    with use_language("ar"):
        read = Presentation(io.BytesIO(write_powerpoint(deck)))
    for shape in read.slides[4].shapes:
        if shape.has_text_frame and shape.text_frame.text and not shape.text_frame.text.isdigit():
            properties = shape.text_frame.paragraphs[0]._p.pPr
            assert (properties.get("rtl"), properties.get("algn")) == ("1", "r"), shape.text_frame.text


def test_a_dark_theme_has_its_ground_and_its_inks(deck):
    dark = replace(deck, theme=BUILT_IN["dark"])
    read = Presentation(io.BytesIO(write_powerpoint(dark)))
    for sheet in read.slides:
        assert str(sheet.background.fill.fore_color.rgb) == "14161B"
        run = sheet.shapes.title.text_frame.paragraphs[0].runs[0]
        assert str(run.font.color.rgb) == "E9EAEE"
    assert "background: #14161b" in slides.render_paper(dark)


def test_hostile_text_makes_no_broken_file(read):
    made = Presentation(io.BytesIO(write_powerpoint(sample(HOSTILE))))
    assert made.slides[0].shapes.title.text_frame.text.startswith("<script>alert(1)</script>")
    assert "<U+202E>" in pictures(read.slides[6])[0]._element.nvPicPr.cNvPr.get("descr")


def test_a_figure_that_cannot_be_drawn_is_the_error_it_raised(deck):
    def refuse():
        raise OutputError("no glyph")

    first = deck.slides[0]
    broken = replace(first.pictures[0].figure, drawing=CachedFigure(None, refuse))
    picture = replace(first.pictures[0], figure=broken)
    with pytest.raises(OutputError, match="no glyph"):
        write_powerpoint(replace(deck, slides=[replace(first, pictures=[picture])]))


@pytest.mark.office
@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is missing")
def test_libreoffice_shows_every_slide_with_its_title_and_its_picture(written, deck, tmp_path):
    from PIL import Image, ImageChops

    (tmp_path / "slides.pptx").write_bytes(written)
    profile = f"-env:UserInstallation=file://{tmp_path}/profile"
    subprocess.run(
        ["soffice", profile, "--headless", "--convert-to", "pdf", "--outdir", tmp_path, tmp_path / "slides.pptx"],
        check=True, capture_output=True, timeout=240,
    )  # fmt: skip
    converted = PdfReader(tmp_path / "slides.pdf")
    titles = [deck.title, *(slide.title for slide in deck.slides)]
    for page, title in zip(converted.pages, titles, strict=True):
        assert "".join(title.split()) in "".join(page.extract_text().split())
    subprocess.run(["pdftoppm", "-r", "36", "-png", tmp_path / "slides.pdf", tmp_path / "page"], check=True)
    for page in sorted(tmp_path.glob("page*.png")):
        assert ImageChops.invert(Image.open(page).convert("L")).getbbox() is not None, page.name
