"""Texts as outlines, against matplotlib's own of the same figures."""

import re
import xml.etree.ElementTree as ET

import pytest

from reportgen.figures.describe import list_texts
from reportgen.figures.draw import draw
from reportgen.figures.draw.drawing import _number_glyphs
from reportgen.figures.draw.lettering import Lettering
from reportgen.figures.draw.outlined_text import outline_texts
from reportgen.look.fonts import load_typefaces
from reportgen.look.model_styles import model_styles
from reportgen.look.theme import BUILT_IN
from tests.figures.figure_samples import one_of_each

FIGURES = one_of_each(text="A & <b> 'q' \"r\"")
FACES = load_typefaces(text for figure in FIGURES for text in list_texts(figure))


@pytest.mark.parametrize("theme", ["paper", "slides"])
@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: type(figure).__name__)
def test_outlines_are_those_that_matplotlib_draws(figure, theme):
    drawing = draw(figure, typefaces=FACES, styles=model_styles(["llama"]), theme=BUILT_IN[theme])
    ours, theirs = drawing._outline(), drawing._draw_svg("paths")
    assert "<text" not in ours
    ours, theirs = (split_numbers(_number_glyphs(element)) for element in (ours, theirs))
    assert ours[0] == theirs[0], "the same elements, glyphs and styles in the same order"
    # a text that was enlarged was measured before, to a 64th of a point a letter
    assert ours[1] == pytest.approx(theirs[1], abs=0.3)


def split_numbers(element):
    """What an SVG says but for its numbers, and these; no ids, of which matplotlib makes some up from a hash of all."""
    element = re.sub(r"(?<= id=\")[a-z]+_?[0-9a-f]{6,}|(?<=#)[a-z]+[0-9a-f]{8,}", "", element)
    numbers = [float(one) for one in re.findall(r"(?<![\w#.-])-?\d+(?:\.\d+)?(?![\w.])", element)]
    return re.sub(r"(?<![\w#.-])-?\d+(?:\.\d+)?(?![\w.])", "0", element), numbers


def test_a_glyph_is_defined_once_before_it_is_used():
    drawing = draw(FIGURES[1], typefaces=FACES, styles=model_styles(["llama"]))
    defined = set()
    for node in ET.fromstring(drawing.svg("paths")).iter():
        if node.tag.endswith("}path") and "id" in node.attrib:
            assert node.attrib["id"] not in defined
            defined.add(node.attrib["id"])
        if node.tag.endswith("}use"):
            assert node.attrib["{http://www.w3.org/1999/xlink}href"].removeprefix("#") in defined
    assert len(defined) > 20


def test_a_text_that_is_written_in_another_way_is_left_to_matplotlib():
    assert outline_texts("<svg><text>x</text></svg>", Lettering(FACES)) is None
