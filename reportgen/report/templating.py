"""Jinja as this project uses it: everything escaped, everything from outside legible and in its own direction."""

import html as markup
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from reportgen.figures import style
from reportgen.figures.fonts import legible, typefaces
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
    found.filters |= {
        "legible": legible,
        "isolated": isolated,
        "token": token,
        "tokens": tokens,
        "lines": lines,
        "sentence": sentence,
        "explained": explained,
        "written": numerals.written,
    }
    return found


def filled(context: Mapping[str, Any], *, body: str, shell: str, models: Sequence[str]) -> str:
    """A whole page: the template `body` within `shell`, with the inks, the models' styles and the fonts it needs.

    `context` holds the page's `title` beside what the templates ask for.
    """
    known = {
        **context,
        "styles": style.model_styles(models),
        "ink": {"ink": style.INK, "muted": style.MUTED, "faint": style.FAINT, "paper": style.PAPER},
    }
    inner = environment().get_template(body).render(known)
    # The page carries the shapes of just the characters that stand in it.
    faces = typefaces({*markup.unescape(inner), *context["title"]})
    return environment().get_template(shell).render(known, body=inner, faces=faces)


def isolated(text: str) -> Markup:
    """A stranger's text: it runs in its own direction and does not turn what stands around it."""
    return _apart(escape(legible(text)))


def token(text: str) -> Markup:
    """A token whose leading spaces were marked, with the marks set faint."""
    shown = legible(text)
    word = shown.lstrip("␣")
    marks = len(shown) - len(word)
    return _apart(Markup('<span class="space">{}</span>{}').format("␣" * marks, word) if marks else escape(word))


def tokens(joined: str) -> Markup:
    """Tokens with bars between them, from left to right whatever the direction of each."""
    return Markup(" | ").join(isolated(one) for one in joined.split(" | "))


def lines(text: str) -> Markup:
    """Text of several lines, each on its own."""
    return Markup("<br>").join(isolated(line) for line in text.split("\n"))


def sentence(text: str) -> Markup:
    """A sentence of ours: what it quotes between “ and ” is a stranger's."""
    escaped = str(escape(legible(text)))
    return Markup(re.sub("“([^”]*)”", r"“<bdi>\1</bdi>”", escaped))


def explained(text: str) -> Markup:
    """A docstring of a probe: what stands between backticks is code."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(legible(text)))))


def _apart(shown: Markup) -> Markup:
    return Markup("<bdi>{}</bdi>").format(shown)
