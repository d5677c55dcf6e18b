"""Jinja as this project uses it: everything escaped, everything from outside made legible."""

from functools import cache

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from reportgen.figures.fonts import legible
from reportgen.report import numerals
from reportgen.resources import folder


@cache
def environment() -> Environment:
    """The templates that ship with the package."""
    found = Environment(
        loader=FileSystemLoader(folder("templates")),
        # select_autoescape would leave .html.j2 unescaped.
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters |= {"legible": legible, "token": token, "lines": lines, "written": numerals.written}
    return found


def token(text: str) -> Markup:
    """A token whose leading spaces were marked, with the marks set faint."""
    shown = legible(text)
    word = shown.lstrip("␣")
    marks = len(shown) - len(word)
    return Markup('<span class="space">{}</span>{}').format("␣" * marks, word) if marks else escape(word)


def lines(text: str) -> Markup:
    """Text of several lines, each made legible on its own."""
    return Markup("<br>").join(legible(line) for line in text.split("\n"))
