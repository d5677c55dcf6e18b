"""The report's own words in the reader's language: written in English where they are used, looked up by a stable id.

A further language is one catalogue, `locale/TAG.po` (gettext): each message has its id as context (msgctxt) and the
English text as msgid, so that a translation of a text that has since changed is found by nobody, and listed as stale.
Texts of strangers (tokens, prompts, titles) are never translated; they are values of a message.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reportgen.suggest import suggestion

if TYPE_CHECKING:
    from babel import Locale

ENGLISH, SIMPLIFIED_CHINESE = "en", "zh-CN"
CATALOGUES = Path(__file__).parent / "locale"
ALSO_KNOWN_AS = {
    "zh-hant": "zh-TW",
    "zh-hant-tw": "zh-TW",
    "zh-hans": SIMPLIFIED_CHINESE,
    "zh-hans-cn": SIMPLIFIED_CHINESE,
    "zh-sg": SIMPLIFIED_CHINESE,
}
"""Other names of languages there is a catalogue of, in small letters."""
QUOTED = re.compile("“[^”]*”|„[^”]*”|「[^」]*」|«[^»]*»")
"""What a sentence quotes, as English, Hungarian, Chinese and Arabic do."""
_RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "ps", "sd", "ug", "ur", "yi"})
_UNSPACED = frozenset({"ja", "zh"})
"""Languages that put no space between sentences."""

_spoken: ContextVar[str] = ContextVar("_spoken", default=ENGLISH)
_noted: ContextVar[set[str] | None] = ContextVar("_noted", default=None)
"""The ids that `note_said` collects; None where nobody asks."""


@cache
def list_languages() -> tuple[str, ...]:
    """The tags of all languages there is a catalogue of, English first."""
    return (ENGLISH, *sorted(path.stem for path in CATALOGUES.glob("*.po")))


def resolve_language(tag: str) -> str:
    """The tag of `list_languages()` that is meant: zh_TW, zh-tw and zh-Hant are zh-TW, zh-Hans is zh-CN, hu-HU is hu.

    Raises:
        ValueError: there is no such catalogue; names the nearest.
    """
    asked = tag.strip().replace("_", "-").lower()
    known = {one.lower(): one for one in list_languages()}
    for name in (asked, ALSO_KNOWN_AS.get(asked, "").lower(), asked.partition("-")[0]):
        if name in known:
            return known[name]
    # A bare or foreign variety: zh is neither zh-CN nor zh-TW, but near both.
    near = [f"'{one}'" for one in list_languages() if one.partition("-")[0] == asked.partition("-")[0]]
    raise ValueError(
        f"no language '{tag}'. " + (f"Did you mean {' or '.join(near)}?" if near else suggestion(tag, list_languages()))
    )


@contextmanager
def use_language(tag: str) -> Iterator[None]:
    """What is said within is said in this language, one of `list_languages()`."""
    before = _spoken.set(tag)
    try:
        yield
    finally:
        _spoken.reset(before)


def get_language() -> str:
    """The tag of the language that is spoken now."""
    return _spoken.get()


def direction(tag: str) -> str:
    """`rtl` for a language written from right to left, else `ltr`."""
    return "rtl" if tag.partition("-")[0] in _RIGHT_TO_LEFT else "ltr"


@contextmanager
def note_said() -> Iterator[set[str]]:
    """The ids of the messages that are said within: what a sentence is about, whatever the language."""
    ids: set[str] = set()
    token = _noted.set(ids)
    try:
        yield ids
    finally:
        _noted.reset(token)


def _note(id: str) -> None:
    noted = _noted.get()
    if noted is not None:
        noted.add(id)


def say(id: str, text: str, /, **values: Any) -> str:
    """A text of ours in the spoken language, in English where it has no translation.

    `id` is stable: it stays when the English changes. `{name}` in the text is where a value of that name goes; without
    values the text is taken as it is.
    """
    _note(id)
    said = _catalogue(_spoken.get()).pgettext(id, text)
    return said.format(**values) if values else said


def say_count(id: str, one: str, many: str, count: int, /, **values: Any) -> str:
    """As `say`, in the form that the language asks for with a number; `{count}` is where the number goes."""
    return choose_form(id, one, many, count).format(**{"count": digits(f"{count:,}"), **values})


def choose_form(id: str, one: str, many: str, count: int) -> str:
    """The form that `say_count` would fill in, its `{name}`s still open."""
    _note(id)
    return _catalogue(_spoken.get()).npgettext(id, one, many, count)


def name_of(identifier: str) -> str:
    """What a metric, array, table, column or dim of this name is called: `settling_layer` is "settling layer"."""
    return say(f"name.{identifier}", identifier.replace("_", " "))


def unit_of(unit: str) -> str:
    """What a unit, as results hold it, is called."""
    return say(f"unit.{unit}", unit) if unit else ""


def digits(number: str) -> str:
    """A number as English writes it (1,234.5 or 31%) with the separators of the spoken language.

    Digits are 0 to 9 in every language: those of tables, axes and tokens are the same.
    """
    return number if _spoken.get() == ENGLISH else number.translate(_separators(_spoken.get()))


def list_items(items: Sequence[str]) -> str:
    """Items one after another, as the spoken language lists them: "a, b and c"."""
    if _spoken.get() == ENGLISH:
        return " and ".join(filter(None, (", ".join(items[:-1]), *items[-1:])))
    from babel.lists import format_list

    return str(format_list(items, locale=locale_of(_spoken.get())))


def list_quotes(text: str) -> list[str]:
    """What a text quotes, without the marks around it."""
    return [quote[1:-1] for quote in QUOTED.findall(text)]


def sentences(parts: Iterable[str]) -> str:
    """Whole sentences after each other; empty ones are none."""
    space = "" if _spoken.get().partition("-")[0] in _UNSPACED else " "
    return space.join(filter(None, parts))


@cache
def locale_of(tag: str) -> "Locale":
    """What Babel knows of a language."""
    from babel import Locale

    return Locale.parse(tag, sep="-")


@cache
def _separators(tag: str) -> dict[int, str]:
    symbols = locale_of(tag).number_symbols["latn"]
    # A space that does not break would be shown as what it is, like every other character that cannot be seen.
    return str.maketrans({",": symbols["group"].replace("\xa0", " "), ".": symbols["decimal"]})


@cache
def _catalogue(tag: str) -> NullTranslations:
    if tag == ENGLISH:
        return NullTranslations()
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    with (CATALOGUES / f"{tag}.po").open("rb") as file:
        catalogue = read_po(file, locale=tag.replace("-", "_"), abort_invalid=True)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return GNUTranslations(compiled)
