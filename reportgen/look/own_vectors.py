"""What an SVG of somebody else's may not hold: what runs, what is fetched from elsewhere, what expands."""

import re
from xml.parsers import expat

_SVG = "http://www.w3.org/2000/svg "
_RUNS = {_SVG + name for name in ("script", "foreignObject", "handler", "listener")}
_OWN_PLACE = re.compile(r"\s*(#|data:image/(png|jpeg|gif|webp)[;,]|$)", re.IGNORECASE)
"""What a reference may lead to: a part of the picture, or pixels within it."""
_FETCHED = re.compile(r"""@import|image-set|\\|url\(\s*["']?\s*(?!\s|["']|#|data:(image|font)/)""", re.IGNORECASE)
"""In CSS; no style of a picture has a use for escapes, by which words could be hidden."""


def explain_refusal(content: bytes) -> str | None:
    """Why these bytes are no SVG for a page; None where they are one.

    Pages show it as a picture, which keeps it from all this; what opens slides may not.
    """
    checking = _SvgChecker()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = checking.element
    parser.CharacterDataHandler = checking.text
    parser.EntityDeclHandler = checking.entity
    parser.ProcessingInstructionHandler = checking.instruction
    try:
        parser.Parse(content, True)
    except _Refusal as found:
        return str(found)
    except (expat.ExpatError, ValueError, LookupError):
        return "is not a picture"
    return checking.style()


class _Refusal(Exception):
    """What is wrong was met, and reading ends."""


class _SvgChecker:
    """The handlers of a parser."""

    def __init__(self) -> None:
        self._root = self._within = ""
        self._styles: list[str] = []

    def element(self, name: str, attributes: dict[str, str]) -> None:
        self._root, self._within = self._root or name, name
        if self._root != f"{_SVG}svg":
            raise _Refusal("is not a picture")
        if name in _RUNS:
            raise _Refusal(f"holds a <{name.rpartition(' ')[2]}>")
        for attribute, value in attributes.items():
            local = attribute.rpartition(" ")[2].lower()
            if local.startswith("on"):
                raise _Refusal(f"holds a script, as {local}")
            fetched = local in ("href", "src") and not _OWN_PLACE.match(value)
            styled = " " not in attribute and _FETCHED.search(value)  # editors note paths in attributes of their own
            if (fetched and name != f"{_SVG}a") or styled:
                raise _Refusal(f"refers to something outside it, as {local}")

    def text(self, written: str) -> None:
        if self._within == f"{_SVG}style":
            self._styles.append(written)

    def entity(self, *_: object) -> None:
        raise _Refusal("declares entities, which could make it expand without end")

    def instruction(self, target: str, _: str) -> None:
        if target == "xml-stylesheet":
            raise _Refusal("refers to a style sheet outside it")

    def style(self) -> str | None:
        """What is wrong with its style sheets."""
        return "refers to something outside it, in its style" if _FETCHED.search("".join(self._styles)) else None
