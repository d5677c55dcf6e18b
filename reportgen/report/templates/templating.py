"""Jinja as this project uses it: everything escaped, everything from outside legible and in its own direction."""

import html as markup
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader, StrictUndefined
from markupsafe import Markup, escape

from reportgen.language import QUOTED, choose_form, direction, get_language, say
from reportgen.look import model_styles as style
from reportgen.look.fonts import load_typefaces
from reportgen.look.legible import make_legible
from reportgen.look.theme import PAPER, Theme
from reportgen.report.content import numerals
from reportgen.report.content.drawn import models_of
from reportgen.report.content.paper_tables import paper_columns
from reportgen.report.templates import own_templates, sandbox
from reportgen.report.templates.script import hash_script, name_colours, write_settings
from reportgen.resources import folder

DARK_PAPER = "#17191c"
"""The ground of a page that is dark because its reader asks for that."""
LONGEST = 4_000
"""Characters of one text that a page shows."""
LONGEST_WORD, ITS_START, ITS_END = 300, 200, 60
"""Characters of a word that is shown whole, and of a longer one's start and end: to break a word that has no place for
it, printing takes a time that grows with the square of its length."""
_LONG_WORD = re.compile(
    # A line breaks between any two characters of CJK, and between emoji.
    rf"[^\s\u2e80-\ua4cf\uac00-\ud7ff\uf900-\ufaff\uff00-\uffef\U0001f000-\U0003ffff]{{{LONGEST_WORD + 1},}}"
)

_own: ContextVar[Path | None] = ContextVar("_own", default=None)


@contextmanager
def override_by(own: Path | None) -> Iterator[None]:
    """What is rendered within takes a template from the folder `own` where that has one of its name, else ours.

    `own_templates.check` says before that whether the folder is of use. Ours, where it is overridden, is called
    `reportgen/NAME`: own templates may extend and include it.
    """
    before = _own.set(own.resolve() if own is not None else None)
    try:
        yield
    finally:
        _own.reset(before)


def render_template(name: str, context: Mapping[str, Any]) -> str:
    """The template of that name, filled.

    Raises:
        OutputError: a template that overrides ours fails, does what the sandbox refuses, or does not end.
    """
    own = _own.get()
    if own is None:
        return make_environment().get_template(name).render(context)
    with own_templates.explain_errors(own):
        return sandbox.render_bounded(make_environment(own).get_template(name), context)


@cache
def make_environment(own: Path | None = None) -> Environment:
    """The templates that ship with the package, or those of the folder `own` before them, all in a sandbox."""
    ours = FileSystemLoader(folder("templates"))
    # The sandbox takes as long again as half of a page's templates: ours alone do without.
    kind, loader = (Environment, ours) if own is None else (
        sandbox.Sandbox, ChoiceLoader([own_templates.Loader(own), ours, PrefixLoader({own_templates.OURS: ours})])
    )  # fmt: skip
    found = kind(
        loader=loader,
        # select_autoescape would leave .html.j2 unescaped.
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters |= {
        "legible": prepare_text,
        "isolated": isolate_text,
        "token": token,
        "tokens": tokens,
        "lines": lines,
        "sentence": sentence,
        "explained": mark_code,
        "written": numerals.write_table_number,
        "digest": hash_script,
        "models_of": models_of,
    }
    found.globals |= {"say": _say_markup, "say_count": _say_count_markup, "paper_columns": paper_columns}
    return found


def fill_page(
    context: Mapping[str, Any],
    *,
    body: str,
    shell: str,
    models: Sequence[str],
    packed: Iterable[str] = (),
    theme: Theme = PAPER,
) -> str:
    """A whole page: the template `body` within `shell`, with the inks, the models' styles and the fonts it needs.

    `context` holds what the templates ask for and the page's `title`; `packed` are texts that only a script shows.
    """
    known = {
        "figure_files": False,
        "many_models": False,
        **context,
        "styles": style.model_styles(models, theme),
        "spoken": get_language(),
        "direction": direction(get_language()),
        "ink": theme.inks,
        "dark": theme.dark,
        "colours": name_colours(theme),
        "paints": {colour: f"var(--{name})" for name, colour in reversed(name_colours(theme).items())},
        "dark_colours": {name: style.lighten_for(colour, DARK_PAPER) for name, colour in name_colours(theme).items()},
        "dark_paper": DARK_PAPER,
        "logo": theme.logo,
        "settings": write_settings(theme),
    }
    inner = render_template(body, known)
    # The page carries the shapes of just the characters that stand in it.
    faces = load_typefaces({*markup.unescape(inner), *context["title"], *packed}, theme.own_font)
    return render_template(shell, {**known, "body": inner, "faces": faces})


def prepare_text(text: str) -> str:
    """A text made legible, and cut where nobody would read on: to break one line of megabytes takes minutes."""
    return _with_short_words(make_legible(_cut_text(text)))


def _cut_text(text: str) -> str:
    text = _with_short_words(text)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _with_short_words(text: str) -> str:
    """The text with each word that is too long to print shown by its start and end, and how much is between them."""
    return text if len(text) <= LONGEST_WORD else _LONG_WORD.sub(_ends, text)


def _ends(word: re.Match[str]) -> str:
    left_out = len(word[0]) - ITS_START - ITS_END
    return f"{word[0][:ITS_START]}…[+{numerals.write_table_number(left_out)}]…{word[0][-ITS_END:]}"


def isolate_text(text: str) -> Markup:
    """A stranger's text: it runs in its own direction and does not turn what stands around it."""
    return _isolate_markup(escape(prepare_text(text)))


def token(text: str) -> Markup:
    """A token whose leading spaces were marked, with the marks set faint."""
    marked = prepare_text(text)
    word = marked.lstrip("␣")
    marks = len(marked) - len(word)
    return _isolate_markup(
        Markup('<span class="space">{}</span>{}').format("␣" * marks, word) if marks else escape(word)
    )


def tokens(joined: str) -> Markup:
    """Tokens with bars between them, from left to right whatever the direction of each."""
    return Markup(" | ").join(isolate_text(one) for one in prepare_text(joined).split(" | "))


def lines(text: str) -> Markup:
    """Text of several lines, each on its own."""
    return Markup("<br>").join(isolate_text(line) for line in _cut_text(text).split("\n"))


def sentence(text: str) -> Markup:
    """A sentence of ours: what it quotes is a stranger's."""
    return Markup(QUOTED.sub(_isolate_quoted, str(escape(prepare_text(text)))))


def mark_code(text: str) -> Markup:
    """A docstring of a probe: what stands between backticks is code."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(prepare_text(text)))))


def _say_markup(id: str, text: str, /, **values: Any) -> Markup:
    """`say` for templates: the words are ours and still escaped, and so is each value that is no markup."""
    words = Markup(escape(say(id, text)))
    return sandbox.with_plain_gaps(words).format(**values) if values else words


def _say_count_markup(id: str, one: str, many: str, count: int, /, **values: Any) -> Markup:
    """`say_count` for templates, escaped as `say`; `{count}` is written as the page writes numbers."""
    # The form is chosen before the values are put in, so that these are escaped by the markup's own format.
    words = sandbox.with_plain_gaps(Markup(escape(choose_form(id, one, many, count))))
    return words.format(**{"count": numerals.write_table_number(count), **values})


def _isolate_quoted(found: re.Match[str]) -> str:
    quoted = found[0]
    return f"{quoted[0]}<bdi>{quoted[1:-1]}</bdi>{quoted[-1]}"


def _isolate_markup(shown: Markup) -> Markup:
    return Markup("<bdi>{}</bdi>").format(shown)
