"""Strangers' text made legible: which font has a character, and what is drawn where none has.

Shaping takes a cluster (a base and its marks) from one font, so fonts are asked for clusters, not for characters.
"""

import json
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache

from reportgen.look.font_sources import CHAIN, EMOJI, MONO, REST, TEXT, OwnFont, Source
from reportgen.look.kept_fonts import digest_of, kept_file
from reportgen.spelling import PICTURES, code_point, is_hidden, spell_character

_PRESENTATION_SELECTORS = "\ufe0e\ufe0f"
DOTTED_CIRCLE = "◌"
_TAKEN_APART = {"\u0e33": "\u0e4d\u0e32", "\u0eb3": "\u0ecd\u0eb2"}
"""Letters of Thai and Lao -> the mark and the letter that shaping sets instead."""
_JOINED_LETTERS = frozenset([*_TAKEN_APART, "\uff9e", "\uff9f", *map(chr, range(0x1F3FB, 0x1F400))])
"""Letters and symbols that shaping sets as one with what stands before them, as it does marks."""

ALWAYS = frozenset(
    [chr(code) for code in (*range(0x20, 0x7F), *range(0xA0, 0x100)) if code != 0xAD]
    + list("–—…“”‘’×·≥≤−→←↑↓↵⇥␣°≈∞‖⁻⁰⁴⁵⁶⁷⁸⁹" + DOTTED_CIRCLE)
)
"""What pages and axes need whatever the tokens are."""


def make_legible(text: str) -> str:
    """A stranger's text as it may be drawn: every character has a glyph, none hides or reorders the others.

    A newline becomes ↵, a tab ⇥; what is invisible, malformed, unassigned or in no font becomes `<U+200B>`.
    A presentation selector after an emoji is left out, as there is one drawing of each. A mark that no font has with
    the character before it stands on a dotted circle of its own.
    """
    if text.isascii() and text.isprintable():
        return text
    shown: list[str] = []
    previous = ""
    for character in text:
        if not (character in _PRESENTATION_SELECTORS and previous and previous in covered_by(EMOJI)):
            shown.append(_spell_unseen(character))
        previous = character
    return _part_clusters("".join(shown))


def _part_clusters(text: str) -> str:
    """The text with its marks on characters that are in a font with them: shaping takes a cluster from one font."""
    if not any(map(_joins, text)):
        return text
    parted = ""
    for cluster in split_clusters(text):
        parted += _circle_marks(cluster, parted) if parted and _joins(cluster[0]) else cluster
    return parted


def split_clusters(text: str) -> Iterator[str]:
    """Each character of a text with the marks that one font has together with it."""
    start = 0
    for at in range(1, len(text)):
        if not _joins(text[at]) or source_of_cluster(text[start : at + 1]) is None:
            yield text[start:at]
            start = at
    if text:
        yield text[start:]


@cache
def _joins(character: str) -> bool:
    """Whether shaping sets a character as one with what stands before it."""
    return unicodedata.category(character).startswith("M") or character in _JOINED_LETTERS


def _circle_marks(marks: str, before: str) -> str:
    """Marks that do not go with what stands before them, on a circle; spelled out where no font has both."""
    if unicodedata.category(marks[0]) == "Mc":
        scripts = {_first_word(letter) for letter in before if letter.isalpha()}
        if scripts and _first_word(marks[0]) not in {*scripts, "VEDIC"}:
            return marks  # shaping begins anew where the script changes, and brings the circle along
    circled = DOTTED_CIRCLE + marks
    return circled if source_of_cluster(circled) is not None else "".join(map(code_point, marks))


def _first_word(character: str) -> str:
    """The first word of a letter's name in Unicode: its script."""
    return unicodedata.name(character, "").partition(" ")[0]


@cache
def _spell_unseen(character: str) -> str:
    seen = spell_character(character)
    return code_point(character) if seen == character and source_of(character) is None else seen


@cache
def source_of(character: str) -> Source | None:
    """The first font of the chain that has the character."""
    return next((source for source in CHAIN if character in covered_by(source)), None)


@cache
def source_of_cluster(cluster: str) -> Source | None:
    """The first font of the chain that has all of a cluster, or what its characters make as one."""
    wanted = [add_parts(cluster), add_parts(unicodedata.normalize("NFC", cluster))]
    return next((source for source in CHAIN if any(covered_by(source).issuperset(some) for some in wanted)), None)


def add_parts(cluster: str) -> str:
    """A cluster with what shaping takes its letters apart into."""
    return cluster + "".join(_TAKEN_APART.get(character, "") for character in cluster)


@cache
def covered_by(source: Source) -> frozenset[str]:
    """All characters of a font, from its cmap table; remembered on disk, as ranges."""
    kept = kept_file(f"{digest_of('coverage', source.identity)}.json", lambda: json.dumps(_ranges(source)).encode())
    ranges = json.loads(kept.read_bytes())
    return frozenset(chr(code) for start, end in ranges for code in range(start, end + 1))


def _ranges(source: Source) -> list[tuple[int, int]]:
    from reportgen.look.cut_fonts import codes_of

    codes = codes_of(source)
    starts = [code for code, before in zip(codes, [-2, *codes], strict=False) if code != before + 1]
    ends = [code for code, after in zip(codes, [*codes[1:], -2], strict=True) if code != after - 1]
    return list(zip(starts, ends, strict=True))


@cache
def families_of(text: str, *, mono: bool = False, own: OwnFont | None = None) -> tuple[str, ...]:
    """The families that a legible text is set in: its own, then in order of fallback what its characters ask for.

    A theme's own font comes first where it has one of the characters, but not for tokens, which are set in Mono.

    They do not depend on what else the fonts were cut down to.
    """
    set_in_mono = mono
    mono = mono and not any(map(_falls_apart_in_mono, text))
    first = [own.family] if own and not set_in_mono and not covered_by(own).isdisjoint(text) else []
    base = MONO if mono else TEXT
    sources = {
        source_of_cluster(cluster) for cluster in set(split_clusters(text)) if not (mono and all(map(in_mono, cluster)))
    }
    return tuple(dict.fromkeys((*first, base.family, *(source.family for source in CHAIN if source in sources))))


def _falls_apart_in_mono(character: str) -> bool:
    """Whether Mono has only the parts of a letter: shaping would set these, where other texts brought all of them."""
    canonical = unicodedata.decomposition(character)
    return bool(canonical) and not canonical.startswith("<") and source_of(character) is TEXT and not in_mono(character)


def in_mono(character: str) -> bool:
    """Only the scripts for which Mono was drawn well; the others would lose their shaping."""
    return character in covered_by(MONO) and source_of(character) in (TEXT, REST)


def find_lacking(texts: Iterable[str], own: OwnFont | None = None) -> list[str]:
    """The characters of these texts that a font lacks, in order: one's own, else all of ours, which spell them out."""
    if own is not None:
        return sorted(set().union(*map(make_legible, texts)) - covered_by(own) - {" "})
    found = set().union(*texts) - PICTURES.keys()
    return sorted(character for character in found if source_of(character) is None and not is_hidden(character))
