"""Figures that are painted straight into a PDF, against WeasyPrint's own reading of the same SVG."""

import base64
import io
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pypdf import PdfReader

from reportgen.figures.describe import list_texts
from reportgen.figures.draw import draw
from reportgen.look.fonts import load_typefaces
from reportgen.look.model_styles import model_styles
from reportgen.report import document
from reportgen.report.content.drawn import PageFigure
from reportgen.report.paper.figure_words import Line, Picture, UnknownWord, read_picture
from tests.figures.figure_samples import one_of_each
from tests.report.test_document import weasyprint_loads

pytestmark = pytest.mark.skipif(not weasyprint_loads(), reason="WeasyPrint or Pango is missing")
NAMESPACE = "{http://www.w3.org/2000/svg}"
NEARLY = 16
"""Of 255: WeasyPrint makes what lets through a picture of its own, whose edges fall on whole pixels."""
FIGURES = one_of_each()
FACES = load_typefaces(text for figure in FIGURES for text in list_texts(figure))
SVGS = [draw(figure, typefaces=FACES, styles=model_styles(["llama"])).svg("simple characters") for figure in FIGURES]


def print_svgs(svgs: list[str], *, painted: bool) -> bytes:
    """A PDF of these pictures, one a page, painted or read by WeasyPrint."""
    from weasyprint import HTML
    from weasyprint.text.fonts import FontConfiguration
    from weasyprint.urls import URLFetcher

    from reportgen.report.paper.painted_figures import Pictures

    fonts, fetcher = FontConfiguration(), URLFetcher(allowed_protocols=["data"])
    images = "".join(
        f'<img alt="" src="{PageFigure(figure, "x", svg).data_uri()}">'
        for figure, svg in zip(FIGURES * len(svgs), svgs, strict=False)
    )
    css = f"{FACES.css(packed=False)} @page{{size:500mm}} img{{display:block;break-after:page}}"
    pictures = Pictures(fonts, fetcher) if painted else {}
    html = HTML(string=f"<html lang=en><title>t</title><style>{css}</style>{images}", url_fetcher=fetcher)
    printed: bytes = html.write_pdf(font_config=fonts, cache=pictures)
    if painted:
        assert not pictures._foreign
    return printed


def rasterise(content: bytes, folder: Path) -> list[np.ndarray]:
    folder.mkdir()
    (folder / "x.pdf").write_bytes(content)
    subprocess.run(["pdftoppm", "-r", "72", "-png", folder / "x.pdf", folder / "page"], check=True)
    return [np.asarray(Image.open(one).convert("RGB"), dtype=int) for one in sorted(folder.glob("*.png"))]


def without_texts(svg: str) -> str:
    root = ET.fromstring(svg)
    for parent in root.iter():
        parent[:] = [child for child in parent if child.tag != f"{NAMESPACE}text"]
    ET.register_namespace("", NAMESPACE.strip("{}"))
    return ET.tostring(root, encoding="unicode")


@pytest.mark.skipif(shutil.which("pdftoppm") is None, reason="pdftoppm is missing")
def test_shapes_of_every_kind_of_figure_are_the_same_pixels(tmp_path: Path) -> None:
    bare = [without_texts(svg) for svg in SVGS]
    ours, theirs = (rasterise(print_svgs(bare, painted=painted), tmp_path / str(painted)) for painted in (True, False))
    assert len(ours) == len(theirs) == len(FIGURES)
    for figure, one, other in zip(FIGURES, ours, theirs, strict=True):
        assert one.min() < 255, "something is drawn"
        assert np.abs(one - other).max() <= NEARLY, type(figure).__name__


@pytest.mark.skipif(shutil.which("pdftoppm") is None, reason="pdftoppm is missing")
@pytest.mark.slow
def test_texts_differ_from_letters_set_one_by_one_in_their_kerning_alone(tmp_path: Path) -> None:
    ours, theirs = (rasterise(print_svgs(SVGS, painted=painted), tmp_path / str(painted)) for painted in (True, False))
    for figure, one, other in zip(FIGURES, ours, theirs, strict=True):
        inked, also = ((picture.min(2) < 200) for picture in (one, other))
        # a pixel that one of them inks has ink of the other no further than two pixels away
        assert (inked & ~spread(also)).sum() + (also & ~spread(inked)).sum() == 0, type(figure).__name__


def spread(inked: np.ndarray) -> np.ndarray:
    return np.any(
        [np.roll(inked, (down, across), (0, 1)) for down in (-2, -1, 0, 1, 2) for across in (-2, -1, 0, 1, 2)], axis=0
    )


def test_a_text_can_be_read_as_words() -> None:
    read = PdfReader(io.BytesIO(print_svgs(SVGS, painted=True)))
    operators = b"".join(page.get_contents().get_data() for page in read.pages)
    texts = [piece for svg in SVGS for piece in find_lines(read_picture(svg.encode()))]
    assert len(texts) > 100
    # as many operators that show text as there are texts, or few more where fonts change in one
    shown = len(re.findall(rb"\] TJ", operators))
    assert len(texts) * 0.9 <= shown <= len(texts) * 1.5


def find_lines(picture: Picture) -> list[Line]:
    waiting, found = list(picture.pieces), []
    while waiting:
        piece = waiting.pop()
        if isinstance(piece, Line):
            found.append(piece)
        waiting += getattr(piece, "pieces", ())
    return found


BOX = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10">{}</svg>'


@pytest.mark.parametrize(
    "said",
    [
        '<circle cx="5" cy="5" r="3"/>',
        '<path d="M 0 0 A 1 1 0 0 1 2 2"/>',
        '<path d="M 0 0 l 1 1"/>',
        '<path d="M 0 0 L 5 5" style="fill:red"/>',
        '<path d="M 0 0 L 5 5" fill="url(#x)"/>',
        '<path d="M 0 0 L 5 5" fill="red" stroke="blue" opacity="0.5"/>',
        '<path d="M 0 0 L 5"/>',
        '<use href="#nowhere"/>',
        '<g id="x"><use href="#x"/></g>',
        '<g transform="skewX(3)"><path d="M 0 0 L 5 5"/></g>',
        '<text x="1" y="2" font-size="3em" font-family="a">x</text>',
        '<text x="1" y="2" font-size="3" font-family="a">x<tspan>y</tspan></text>',
        '<script>x</script>',
        '<path d="M 0 0 L 5 5" clip-path="url(#nowhere)"/>',
    ],
)  # fmt: skip
def test_what_is_said_in_other_words_is_refused(said: str) -> None:
    with pytest.raises(UnknownWord):
        read_picture(BOX.format(said).encode())


@pytest.mark.parametrize("svg", [b"", b"<svg", b"<p/>", BOX.format("").replace("10 10", "0 10").encode(), b"\xff"])
def test_what_is_no_picture_is_refused(svg: bytes) -> None:
    with pytest.raises(UnknownWord):
        read_picture(svg)


def test_a_strangers_picture_is_still_printed(tmp_path: Path) -> None:
    circle = base64.b64encode(BOX.format('<circle cx="5" cy="5" r="3" fill="#123456"/>').encode()).decode()
    image = f'<img alt="a circle" src="data:image/svg+xml;base64,{circle}">'
    assert document.print_pdf(f"<html lang=en><title>t</title>{image}", tmp_path / "x.pdf") == ()
    assert b" c\n" in PdfReader(tmp_path / "x.pdf").pages[0].get_contents().get_data()


def test_this_weasyprint_is_one_that_figures_are_painted_with() -> None:
    """Else printing takes half as long again: look at the pages, and name the new one in `document`."""
    import weasyprint

    assert weasyprint.__version__.partition(".")[0] == document.PAINTED_WITH


def test_another_weasyprint_reads_figures_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    html = f'<html lang=en><title>t</title><img alt="x" src="{PageFigure(FIGURES[0], "x", SVGS[0]).data_uri()}">'
    sizes = []
    for version in ("70", "71"):
        monkeypatch.setattr(document, "PAINTED_WITH", version)
        document._write(html, tmp_path / f"{version}.pdf")
        sizes.append(len(PdfReader(tmp_path / f"{version}.pdf").pages[0].get_contents().get_data()))
    assert sizes[0] < sizes[1], "letter by letter takes more words"


def test_a_curve_of_second_order_is_the_same_curve_of_third_order() -> None:
    (shape,) = read_picture(BOX.format('<path d="M 1 1 Q 4 7 7 1 z"/>').encode()).pieces
    numbers = [[float(one) for one in line.split()[:-1]] for line in shape.operators.decode().splitlines()]
    start, (ax, ay, bx, by, cx, cy), end = numbers
    assert (start, end) == ([1, 1], [])
    for share in (0.25, 0.5, 0.75):
        rest = 1 - share
        cubic = [
            rest**3 * 1 + 3 * rest**2 * share * a + 3 * rest * share**2 * b + share**3 * c
            for a, b, c in ((ax, bx, cx), (ay, by, cy))
        ]
        assert cubic == pytest.approx(
            [rest**2 * 1 + 2 * rest * share * a + share**2 * c for a, c in ((4, 7), (7, 1))], abs=1e-5
        )
