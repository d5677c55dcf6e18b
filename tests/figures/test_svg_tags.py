import re

import pytest

from reportgen.figures.draw.drawing import _number_glyphs, _prefix_ids
from reportgen.figures.draw.plain_svg import simplify_svg
from reportgen.figures.svg_tags import replace_in_tags

SAYING = ' id="reportgenSans-Regular-1f" href="#reportgenSans-Regular-2a" url(#clip) xlink:href='
"""A text that says what tags say; in an SVG its quotes are written as they are."""


def test_tags_are_changed_and_texts_are_not() -> None:
    assert replace_in_tags("a", "b", '<a x="a">a <a/> a &lt;a&gt; "a</a>') == '<b x="b">a <b/> a &lt;a&gt; "a</b>'
    assert replace_in_tags("A", "b", "<a>a</a>", re.IGNORECASE) == "<b>a</b>"


@pytest.mark.parametrize("change", [_number_glyphs, lambda element: _prefix_ids(element, "figure-x")])
def test_a_text_that_looks_like_an_attribute_stays(change) -> None:
    tags = '<path id="reportgenSans-Regular-1f"/><use xlink:href="#reportgenSans-Regular-1f" clip-path="url(#c)"/>'
    changed = change(f"<svg>{tags}<text>{SAYING}</text></svg>")
    assert changed.endswith(f"<text>{SAYING}</text></svg>")
    assert tags not in changed


def test_it_stays_on_paper_too() -> None:
    element = f'<svg xmlns="http://www.w3.org/2000/svg"><text>{SAYING}</text></svg>'
    assert f">{SAYING}</text>" in simplify_svg(element, lambda text, size, family: 0.0)
