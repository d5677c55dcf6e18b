"""An SVG of characters in the fewest words: for WeasyPrint, which takes as long over wrappers as over what is drawn."""

import xml.etree.ElementTree as ET
from collections.abc import Callable

from reportgen.figures.svg_tags import replace_in_tags

_NAMESPACES = ' xmlns="http://www.w3.org/2000/svg"', ' xmlns:xlink="http://www.w3.org/1999/xlink"'
_BEFORE = {"start": 0.0, "middle": 0.5, "end": 1.0}
"""Share of a text's width that stands before its anchor."""

Width = Callable[[str, float, str], float]
"""(text, size, first family) -> what the text takes on its line."""


def simplify_svg(element: str, width: Width) -> str:
    """The same picture: styles as attributes, no group that only names its members, every text from its left end.

    WeasyPrint parses each style as a style sheet, and makes each text that is not set from its left end a drawing of
    its own inside the PDF.
    """
    for namespace in _NAMESPACES:
        element = element.replace(namespace, "", 1)
    root = ET.fromstring(replace_in_tags(" xlink:href=", " href=", element))
    for node in root.iter():
        _unstyle(node)
        if node.tag == "text":
            _set_from_the_left(node, width)
    _flatten(root)
    return ET.tostring(root, encoding="unicode").replace("<svg ", f"<svg{_NAMESPACES[0]} ", 1)


def _unstyle(node: ET.Element) -> None:
    for declaration in filter(None, node.attrib.pop("style", "").split(";")):
        name, _, value = declaration.partition(":")
        node.set(name.strip(), value.strip())


def _set_from_the_left(text: ET.Element, width: Width) -> None:
    if text.get("transform", "").startswith("rotate(-0 "):
        del text.attrib["transform"]
    share = _BEFORE[text.attrib.pop("text-anchor", "start")]
    if share and text.text:
        family = text.attrib["font-family"].split(",")[0].strip("'\"")
        taken = width(text.text, float(text.attrib["font-size"].removesuffix("px")), family)
        text.set("x", f"{float(text.attrib['x']) - share * taken:.3f}")


def _flatten(parent: ET.Element) -> None:
    """Members of groups that have nothing but a name stand where the group stood."""
    members: list[ET.Element] = []
    for child in parent:
        _flatten(child)
        members += list(child) if child.tag == "g" and not child.attrib.keys() - {"id"} else [child]
    parent[:] = members
