"""Typefaces for tokens of every script.

A report embeds the characters it shows and no others: each Noto or DejaVu font is cut down to what it
contributes, made static, and given a family name that no system font has.
"""

import base64
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from reportgen.language import SIMPLIFIED_CHINESE, get_language
from reportgen.look.font_sources import BOLD, CHAIN, CJK, MONO, REGULAR, SIMPLIFIED, TEXT, OwnFont, Source
from reportgen.look.kept_fonts import digest_of, kept_file, makers
from reportgen.look.legible import (
    ALWAYS,
    DOTTED_CIRCLE,
    add_parts,
    covered_by,
    in_mono,
    make_legible,
    source_of,
    source_of_cluster,
    split_clusters,
)


@cache
def identify_fonts() -> tuple[str, ...]:
    """What all text is drawn with: changes when a font does, or how it is cut down."""
    return (*makers(), *(source.identity for source in (*CHAIN, MONO)))


@dataclass(frozen=True)
class Face:
    """One static font file with the characters it contributes."""

    family: str
    weight: int
    path: Path


@dataclass(frozen=True)
class Typefaces:
    """The fonts of one report. Text in `families` (or `mono_families`) shows every character they were made for."""

    faces: tuple[Face, ...]
    own: OwnFont | None = None
    """The theme's own font, where it has one."""

    @property
    def files(self) -> tuple[Path, ...]:
        """Every font file, in order of fallback."""
        return tuple(face.path for face in self.faces)

    @property
    def families(self) -> tuple[str, ...]:
        """The chain of families for text."""
        return tuple(dict.fromkeys(face.family for face in self.faces if face.family != MONO.family))

    @property
    def mono_families(self) -> tuple[str, ...]:
        """The chain of families for tokens."""
        return (MONO.family, *self.families)

    def css(self, *, packed: bool = True) -> str:
        """One @font-face rule a file, the font itself in it: as WOFF2, or as it is for what would only unpack it."""
        return "\n".join(
            f'@font-face{{font-family:"{face.family}";font-weight:{face.weight};font-style:normal;'
            f"src:{_within(face.path, packed)}}}"
            for face in self.faces
        )


def load_typefaces(characters: Iterable[str], own: OwnFont | None = None) -> Typefaces:
    """The fonts that show all these characters (or texts), as `make_legible` gives them, and `ALWAYS`.

    A theme's own font is one of them for the characters that it has.
    """
    shown = [make_legible(text) for text in characters]
    # Shaping sets a letter and its mark as one wherever the font has the two as one.
    joined = {character for text in shown for character in unicodedata.normalize("NFC", text) if source_of(character)}
    wanted = ALWAYS.union(joined, *shown)
    by_source: dict[Source, set[str]] = {source: set() for source in CHAIN}
    for cluster in wanted.union(*map(split_clusters, shown)):
        source = source_of_cluster(cluster)
        assert source is not None, f"{cluster!r} is not legible"
        by_source[source] |= covered_by(source).intersection(add_parts(cluster + unicodedata.normalize("NFC", cluster)))
    asked = [(_face_of(source), REGULAR, members) for source, members in by_source.items() if members]
    bold = (TEXT, BOLD, by_source[TEXT])
    mono = (MONO, REGULAR, {character for character in wanted if in_mono(character)})
    ahead = [(own, REGULAR, set(wanted & covered_by(own)))] if own is not None else []
    return Typefaces(_make_faces([*ahead, asked[0], bold, mono, *asked[1:]]), own)


def _face_of(source: Source) -> Source:
    """The source itself; of Chinese characters the face that the spoken language writes them in."""
    return SIMPLIFIED if source is CJK and get_language() == SIMPLIFIED_CHINESE else source


def _make_faces(asked: Iterable[tuple[Source, int, set[str]]]) -> tuple[Face, ...]:
    """The faces in files of one folder, by whose names matplotlib orders them, also where the cache gets full now."""
    listed = list(asked)
    faces = tuple(_face(*one) for one in listed)
    return faces if len({face.path.parent for face in faces}) == 1 else tuple(_face(*one) for one in listed)


def _face(source: Source, weight: int, characters: set[str]) -> Face:
    # A vowel sign that stands alone, as tokens do, is drawn on a dotted circle of its own font; a space between two
    # words of a script is taken from the font of that script.
    contents = "".join(sorted(characters | ({DOTTED_CIRCLE, " "} & covered_by(source))))
    key = digest_of(source.identity, source.family, weight, contents)
    # matplotlib writes the fonts of a PDF in the order of their files: here the same whatever they were cut down to.
    name = f"{source.family.replace(' ', '')}-{weight}-{key}.{'otf' if source.family == CJK.family else 'ttf'}"
    return Face(source.family, weight, kept_file(name, lambda: _cut_font(source, weight, contents)))


def _cut_font(source: Source, weight: int, characters: str) -> bytes:
    from reportgen.look import cut_fonts

    return cut_fonts.cut(source, weight, characters)


def _within(path: Path, packed: bool) -> str:
    """The `src` of a font that is written into the rule."""
    kind, content = ("woff2", _woff2(path)) if packed else ("opentype", path.read_bytes())
    return f"url(data:font/{kind};base64,{base64.b64encode(content).decode()}) format('{kind}')"


def _woff2(path: Path) -> bytes:
    from reportgen.look import cut_fonts

    return kept_file(path.with_suffix(".woff2").name, lambda: cut_fonts.woff2(path)).read_bytes()
