"""Typefaces for tokens of every script, and strangers' text made legible in them.

A report embeds the characters it shows and no others: each Noto or DejaVu font is cut down to what it
contributes, made static, and given a family name that no system font has.
"""

import base64
import hashlib
import json
import tempfile
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from reportgen.cache import FONTS, Shelf, cache_folder, key_of
from reportgen.documents.watched import State, state_of
from reportgen.fingerprints import folder_of, version_of
from reportgen.spelling import PICTURES, code_point, is_hidden, visible

RECIPE = 2
"""Raised whenever the same font and characters give another file."""

REGULAR, BOLD = 400, 700


@dataclass(frozen=True)
class Source:
    """An installed font file, and the family name its cut-down copies take."""

    family: str
    distribution: str
    package: str
    file: str
    number: int = -1
    """Index in a font collection."""

    @property
    def path(self) -> Path:
        """Where the file is installed; the package itself is not imported."""
        return folder_of(self.package) / self.file

    @property
    def identity(self) -> str:
        """Changes when the installed font does."""
        known = version_of(self.distribution)
        return f"{self.distribution} {known} {self.file} {self.number} {self.path.stat().st_size}"


@dataclass(frozen=True)
class OwnFont(Source):
    """A font file of a theme of one's own, which stands before all others."""

    sha256: str = ""

    @property
    def path(self) -> Path:
        """Where the file is."""
        return Path(self.file)

    @property
    def identity(self) -> str:
        """Its contents."""
        return self.sha256


def own_font(file: str, sha256: str) -> OwnFont:
    """The font of a theme of one's own, by its path and the hash of its contents."""
    return OwnFont("reportgen Own", "", "", file, sha256=sha256)


def _noto(name: str) -> Source:
    return Source(f"reportgen {name}", "manimgx-fonts", "manimgx_fonts", f"Noto{name}[wght].ttf".replace(" ", ""))


def _dejavu(family: str, file: str) -> Source:
    return Source(family, "matplotlib", "matplotlib", f"mpl-data/fonts/ttf/{file}")


SCRIPTS = tuple(
    _noto(f"Sans {script}")
    for script in (
        "Arabic", "Armenian", "Bengali", "Devanagari", "Ethiopic", "Georgian", "Gujarati", "Gurmukhi", "Hebrew",
        "Kannada", "Khmer", "Lao", "Malayalam", "Myanmar", "Oriya", "Sinhala", "Tamil", "Telugu", "Thai",
    )
)  # fmt: skip
TEXT = _noto("Sans")
EMOJI = _noto("Emoji")
REST = _dejavu("reportgen Rest", "DejaVuSans.ttf")
MONO = _dejavu("reportgen Mono", "DejaVuSansMono.ttf")
CJK = Source(
    "reportgen CJK", "manimgx-fonts-cjk", "manimgx_fonts_cjk", "NotoSansCJK-VF.otf.ttc", number=3
)  # the Traditional Chinese face

CHAIN = (TEXT, *SCRIPTS, _noto("Sans Symbols"), EMOJI, REST, CJK)
"""The order in which fonts are asked for a character; CJK stands last because it covers much Latin badly."""

_PRESENTATION_SELECTORS = "\ufe0e\ufe0f"
_DOTTED_CIRCLE = "◌"
_TAKEN_APART = {"\u0e33": "\u0e4d\u0e32", "\u0eb3": "\u0ecd\u0eb2"}
"""Letters of Thai and Lao -> the mark and the letter that shaping sets instead."""
_JOINED_LETTERS = frozenset([*_TAKEN_APART, "\uff9e", "\uff9f", *map(chr, range(0x1F3FB, 0x1F400))])
"""Letters and symbols that shaping sets as one with what stands before them, as it does marks."""

ALWAYS = frozenset(
    [chr(code) for code in (*range(0x20, 0x7F), *range(0xA0, 0x100)) if code != 0xAD]
    + list("–—…“”‘’×·≥≤−→←↑↓↵⇥␣°≈∞‖" + _DOTTED_CIRCLE)
)
"""What pages and axes need whatever the tokens are."""


def legible(text: str) -> str:
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
        if not (character in _PRESENTATION_SELECTORS and previous and previous in _covered(EMOJI)):
            shown.append(_visible(character))
        previous = character
    return _parted("".join(shown))


def _parted(text: str) -> str:
    """The text with its marks on characters that are in a font with them: shaping takes a cluster from one font."""
    if not any(map(_joins, text)):
        return text
    parted = ""
    for cluster in clusters(text):
        parted += _alone(cluster, parted) if parted and _joins(cluster[0]) else cluster
    return parted


def clusters(text: str) -> Iterator[str]:
    """Each character of a text with the marks that one font has together with it."""
    start = 0
    for at in range(1, len(text)):
        if not _joins(text[at]) or _source_of(text[start : at + 1]) is None:
            yield text[start:at]
            start = at
    if text:
        yield text[start:]


@cache
def _joins(character: str) -> bool:
    """Whether shaping sets a character as one with what stands before it."""
    return unicodedata.category(character).startswith("M") or character in _JOINED_LETTERS


def _alone(marks: str, before: str) -> str:
    """Marks that do not go with what stands before them, on a circle; spelled out where no font has both."""
    if unicodedata.category(marks[0]) == "Mc":
        scripts = {_first_word(letter) for letter in before if letter.isalpha()}
        if scripts and _first_word(marks[0]) not in {*scripts, "VEDIC"}:
            return marks  # shaping begins anew where the script changes, and brings the circle along
    circled = _DOTTED_CIRCLE + marks
    return circled if _source_of(circled) is not None else "".join(map(code_point, marks))


def _first_word(character: str) -> str:
    """The first word of a letter's name in Unicode: its script."""
    return unicodedata.name(character, "").partition(" ")[0]


def mark_space(token: str) -> str:
    """A token with each leading space as ␣; one of nothing but spaces wholly."""
    bare = token.lstrip(" ")
    return "␣" * (len(token) - len(bare)) + bare


@cache
def _visible(character: str) -> str:
    seen = visible(character)
    return code_point(character) if seen == character and _source(character) is None else seen


@cache
def _source(character: str) -> Source | None:
    """The first font of the chain that has the character."""
    return next((source for source in CHAIN if character in _covered(source)), None)


@cache
def _source_of(cluster: str) -> Source | None:
    """The first font of the chain that has all of a cluster, or what its characters make as one."""
    wanted = [_with_parts(cluster), _with_parts(unicodedata.normalize("NFC", cluster))]
    return next((source for source in CHAIN if any(_covered(source).issuperset(some) for some in wanted)), None)


def _with_parts(cluster: str) -> str:
    """A cluster with what shaping takes its letters apart into."""
    return cluster + "".join(_TAKEN_APART.get(character, "") for character in cluster)


@cache
def _covered(source: Source) -> frozenset[str]:
    """All characters of a font, from its cmap table; remembered on disk, as ranges."""
    kept = _kept(f"{_digest('coverage', source.identity)}.json", lambda: json.dumps(_ranges(source)).encode())
    ranges = json.loads(kept.read_bytes())
    return frozenset(chr(code) for start, end in ranges for code in range(start, end + 1))


def _ranges(source: Source) -> list[tuple[int, int]]:
    from reportgen.look.cut_fonts import codes_of

    codes = codes_of(source)
    starts = [code for code, before in zip(codes, [-2, *codes], strict=False) if code != before + 1]
    ends = [code for code, after in zip(codes, [*codes[1:], -2], strict=True) if code != after - 1]
    return list(zip(starts, ends, strict=True))


@cache
def installed() -> tuple[str, ...]:
    """What all text is drawn with: changes when a font does, or how it is cut down."""
    return (str(RECIPE), *(source.identity for source in (*CHAIN, MONO)))


@cache
def families_of(text: str, *, mono: bool = False, own: OwnFont | None = None) -> tuple[str, ...]:
    """The families that a legible text is set in: its own, then in order of fallback what its characters ask for.

    A theme's own font comes first where it has one of the characters, but not for tokens, which are set in Mono.

    They do not depend on what else the fonts were cut down to.
    """
    set_in_mono = mono
    mono = mono and not any(map(_falls_apart_in_mono, text))
    first = [own.family] if own and not set_in_mono and not _covered(own).isdisjoint(text) else []
    base = MONO if mono else TEXT
    sources = {_source_of(cluster) for cluster in set(clusters(text)) if not (mono and all(map(_in_mono, cluster)))}
    return tuple(dict.fromkeys((*first, base.family, *(source.family for source in CHAIN if source in sources))))


def _falls_apart_in_mono(character: str) -> bool:
    """Whether Mono has only the parts of a letter: shaping would set these, where other texts brought all of them."""
    canonical = unicodedata.decomposition(character)
    return bool(canonical) and not canonical.startswith("<") and _source(character) is TEXT and not _in_mono(character)


def _in_mono(character: str) -> bool:
    """Only the scripts for which Mono was drawn well; the others would lose their shaping."""
    return character in _covered(MONO) and _source(character) in (TEXT, REST)


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

    def css(self) -> str:
        """One @font-face rule a file, with the font itself in it as WOFF2."""
        return "\n".join(
            f'@font-face{{font-family:"{face.family}";font-weight:{face.weight};font-style:normal;'
            f"src:url(data:font/woff2;base64,{base64.b64encode(_woff2(face.path)).decode()}) format('woff2')}}"
            for face in self.faces
        )


def lacking(texts: Iterable[str], own: OwnFont | None = None) -> list[str]:
    """The characters of these texts that a font lacks, in order: one's own, else all of ours, which spell them out."""
    if own is not None:
        return sorted(set().union(*map(legible, texts)) - _covered(own) - {" "})
    found = set().union(*texts) - PICTURES.keys()
    return sorted(character for character in found if _source(character) is None and not is_hidden(character))


def typefaces(characters: Iterable[str], own: OwnFont | None = None) -> Typefaces:
    """The fonts that show all these characters (or texts), as `legible` gives them, and `ALWAYS`.

    A theme's own font is one of them for the characters that it has.
    """
    shown = [legible(text) for text in characters]
    # Shaping sets a letter and its mark as one wherever the font has the two as one.
    joined = {character for text in shown for character in unicodedata.normalize("NFC", text) if _source(character)}
    wanted = ALWAYS.union(joined, *shown)
    by_source: dict[Source, set[str]] = {source: set() for source in CHAIN}
    for cluster in wanted.union(*map(clusters, shown)):
        source = _source_of(cluster)
        assert source is not None, f"{cluster!r} is not legible"
        by_source[source] |= _covered(source).intersection(_with_parts(cluster + unicodedata.normalize("NFC", cluster)))
    asked = [(source, REGULAR, members) for source, members in by_source.items() if members]
    bold = (TEXT, BOLD, by_source[TEXT])
    mono = (MONO, REGULAR, {character for character in wanted if _in_mono(character)})
    ahead = [(own, REGULAR, set(wanted & _covered(own)))] if own is not None else []
    return Typefaces(_together([*ahead, asked[0], bold, mono, *asked[1:]]), own)


def _together(asked: Iterable[tuple[Source, int, set[str]]]) -> tuple[Face, ...]:
    """The faces in files of one folder, by whose names matplotlib orders them, also where the cache gets full now."""
    listed = list(asked)
    faces = tuple(_face(*one) for one in listed)
    return faces if len({face.path.parent for face in faces}) == 1 else tuple(_face(*one) for one in listed)


def _face(source: Source, weight: int, characters: set[str]) -> Face:
    # A vowel sign that stands alone, as tokens do, is drawn on a dotted circle of its own font; a space between two
    # words of a script is taken from the font of that script.
    contents = "".join(sorted(characters | ({_DOTTED_CIRCLE, " "} & _covered(source))))
    key = _digest(source.identity, source.family, weight, contents)
    # matplotlib writes the fonts of a PDF in the order of their files: here the same whatever they were cut down to.
    name = f"{source.family.replace(' ', '')}-{weight}-{key}.{'otf' if source is CJK else 'ttf'}"
    return Face(source.family, weight, _kept(name, lambda: _cut(source, weight, contents)))


def _cut(source: Source, weight: int, characters: str) -> bytes:
    from reportgen.look import cut_fonts

    return cut_fonts.cut(source, weight, characters)


def _woff2(path: Path) -> bytes:
    from reportgen.look import cut_fonts

    return _kept(path.with_suffix(".woff2").name, lambda: cut_fonts.woff2(path)).read_bytes()


def _digest(*parts: object) -> str:
    said = json.dumps([RECIPE, version_of("fonttools"), *map(str, parts)])
    return hashlib.sha256(said.encode()).hexdigest()[:32]


_seen: set[tuple[Path, State | None]] = set()
"""Files that this process made, or found to be what was kept, and how they were then."""
_full: set[Path] = set()
"""Folders that could not take a file: this process keeps its fonts elsewhere."""


def _kept(name: str, make: Callable[[], bytes]) -> Path:
    """The file of this name as it was kept; made now where there is none, or not what was kept under this name."""
    path = _folder() / name
    if (path, state_of(path)) not in _seen:
        if not _is_whole(path):
            path = _written(path, make())
        _seen.add((path, state_of(path)))
    return path


def _is_whole(path: Path) -> bool:
    try:
        content = path.read_bytes()
    except OSError:
        return False
    return Shelf(FONTS).read(_seal_of(path)) == hashlib.sha256(content).digest()


def _seal_of(path: Path) -> str:
    """Under what the cache keeps the hash of a file, which itself is as others read it: a font."""
    return key_of("file", path.name)


def _written(path: Path, content: bytes) -> Path:
    """Where the content lies now: at that path, or, where it cannot be written there, in a folder of this process."""
    try:
        _write(path, content)
    except OSError:
        _full.add(path.parent)
        path = _folder() / path.name
        _write(path, content)
    else:
        Shelf(FONTS).write(_seal_of(path), hashlib.sha256(content).digest())
    return path


def _folder() -> Path:
    """Where fonts are kept between runs; where nothing can be written, a folder of this process."""
    kept = _writable(cache_folder() / FONTS)
    return Path(_of_this_process().name) if kept in _full else kept


@cache
def _writable(kept: Path) -> Path:
    try:
        kept.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=kept):
            return kept
    except OSError:
        return Path(_of_this_process().name)


@cache
def _of_this_process() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="reportgen-fonts-")


def _write(path: Path, content: bytes) -> None:
    """Another process may be writing the same file: one of two equal ones wins."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as beside:
        try:
            beside.write(content)
            beside.flush()
            Path(beside.name).replace(path)
        except BaseException:
            Path(beside.name).unlink(missing_ok=True)
            raise
