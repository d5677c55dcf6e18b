import base64
import io
from dataclasses import replace

import pytest
from PIL import Image
from pptx import Presentation
from pptx.enum.shapes import MSO_SHAPE_TYPE
from pptx.util import Pt

from reportgen.language import use_language
from reportgen.look.theme import PAPER
from reportgen.report import page
from reportgen.report.slides import pages as slides
from reportgen.report.slides.powerpoint import write_powerpoint
from tests.report.deck_samples import sample
from tests.report.fakes import fake_bundle

WIDE_SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 10"><rect width="40" height="10"/></svg>'


def png(width: int, height: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(out, "png")
    return out.getvalue()


def uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def test_a_labs_logo_opens_the_page_the_pdf_and_the_slides_without_words_of_its_own() -> None:
    theme = PAPER.model_copy(update={"logo": uri("image/svg+xml", WIDE_SVG)})
    deck = sample()
    for html in (
        page.render_page(fake_bundle(), {}, theme=theme),
        page.render_paper(fake_bundle(), {}, theme=theme),
        slides.render_paper(replace(deck, theme=deck.theme.model_copy(update={"logo": theme.logo}))),
    ):
        assert html.count(f'<img class="logo" src="{theme.logo}" alt=""') == 1
    assert 'class="logo"' not in page.render_page(fake_bundle(), {})


@pytest.mark.parametrize(
    ("logo", "width", "height"),
    [
        (uri("image/png", png(90, 30)), 192, 64),
        (uri("image/png", png(900, 30)), 300, 10),
        (uri("image/svg+xml", WIDE_SVG), 256, 64),
        (uri("image/svg+xml", b'<svg xmlns="http://www.w3.org/2000/svg" width="3cm" height="3cm"/>'), 64, 64),
        (uri("image/svg+xml", b'<svg xmlns="http://www.w3.org/2000/svg"/>'), 64, 64),
    ],
)
def test_in_the_deck_it_is_as_large_as_fits_in_its_own_shape(logo: str, width: float, height: float) -> None:
    deck = sample()
    with_logo = replace(deck, slides=deck.slides[:1], theme=deck.theme.model_copy(update={"logo": logo}))
    for tag in ("en", "ar"):
        with use_language(tag):
            opening = Presentation(io.BytesIO(write_powerpoint(with_logo))).slides[0]
        (picture,) = (shape for shape in opening.shapes if shape.shape_type == MSO_SHAPE_TYPE.PICTURE)
        assert picture.width == pytest.approx(Pt(width), rel=0.02)
        assert picture.height == pytest.approx(Pt(height), rel=0.02)
        edge = picture.left if tag == "en" else Pt(960) - picture.left - picture.width
        assert edge == pytest.approx(Pt(50), abs=Pt(25))


def test_a_program_that_cannot_draw_an_svg_logo_shows_its_pixels() -> None:
    red = (
        b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 10"><rect width="20" height="10" fill="#c00"/></svg>'
    )
    deck = sample()
    logo = deck.theme.model_copy(update={"logo": uri("image/svg+xml", red)})
    opening = Presentation(io.BytesIO(write_powerpoint(replace(deck, slides=deck.slides[:1], theme=logo)))).slides[0]
    (picture,) = (shape for shape in opening.shapes if shape.shape_type == MSO_SHAPE_TYPE.PICTURE)
    pixels = Image.open(io.BytesIO(picture.image.blob)).convert("RGBA")
    assert pixels.size == (800, 200)
    assert pixels.getpixel((100, 100)) == (204, 0, 0, 255)
    assert pixels.getpixel((700, 100))[3] == 0
