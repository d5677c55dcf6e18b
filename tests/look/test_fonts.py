import base64
import errno
import re
from io import BytesIO
from pathlib import Path

import pytest
from fontTools.pens.recordingPen import RecordingPen
from fontTools.ttLib import TTFont

from reportgen.language import use_language
from reportgen.look import cut_fonts, kept_fonts
from reportgen.look import legible as legible_text
from reportgen.look.font_sources import CHAIN, CJK, MONO, SIMPLIFIED
from reportgen.look.fonts import Typefaces, load_typefaces
from reportgen.look.legible import ALWAYS, covered_by, make_legible
from reportgen.text.characters import mark_space

MANY_SCRIPTS = (
    "Žluťoučký ελληνικά Жизнь հայերեն עברית العربية हिन्दी বাংলা ਪੰਜਾਬੀ ગુજરાતી ଓଡ଼ିଆ தமிழ் తెలుగు ಕನ್ನಡ മലയാളം සිංහල "
    "ไทย ລາວ မြန်မာ ქართული አማርኛ ភាសាខ្មែរ 한국어 ひらがな カタカナ 天氣 𠮷 🐠💺 ♫ → ∑ █ ⇥"
)


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache in which nothing lies yet."""
    monkeypatch.setenv("REPORTGEN_CACHE", str(tmp_path))
    legible_text.covered_by.cache_clear()
    return tmp_path


def characters_of(path: Path) -> set[str]:
    with TTFont(path) as font:
        return {chr(code) for code in font.getBestCmap()}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text", "plain text"),
        ("a\nb\tc", "a↵b⇥c"),
        ("\x00\x1b\x7f\x85", "<U+0000><U+001B><U+007F><U+0085>"),
        ("\ud800", "<U+D800>"),
        ("a\u200bb\u200dc\u00ad", "a<U+200B>b<U+200D>c<U+00AD>"),
        ("\u202eabc\u2066", "<U+202E>abc<U+2066>"),
        ("\ue000\U0010ffff\u0378", "<U+E000><U+10FFFF><U+0378>"),
        ("\u00a0\u3000\u2028", "<U+00A0><U+3000><U+2028>"),
        ("\u3164\u115f\u2800\u034f", "<U+3164><U+115F><U+2800><U+034F>"),
        ("❤\ufe0f!", "❤!"),
        ("\ufe0f", "<U+FE0F>"),
        ("中\ufe0f", "中<U+FE0F>"),
        ("中\U000e0100", "中<U+E0100>"),
        ("\U00012000", "<U+12000>"),
        ("→\u0e35", "→◌\u0e35"),
        ("天\u0e35\u0e31 ก\u0e35", "天◌\u0e35\u0e31 ก\u0e35"),
        ("e\u0301\u0e35", "e\u0301◌\u0e35"),
        ("→\u09c0", "→◌\u09c0"),
        ("a→\u09c0", "a→\u09c0"),  # where the script changes, shaping brings a circle along
        ("1\ufe0f\u20e3 x\u20d7", "1\u20e3 x\u20d7"),
        ("a\U0001f3fe 👍\U0001f3fe", "a<U+1F3FE> 👍\U0001f3fe"),
        ("\u0e35", "\u0e35"),
        ("$\\frac$", "$\\frac$"),
        ("", ""),
    ],
)
def test_what_cannot_be_seen_is_spelled_out(text: str, shown: str) -> None:
    assert make_legible(text) == shown
    assert make_legible(shown) == shown


@pytest.mark.slow
def test_every_character_of_unicode_is_legible() -> None:
    covered = frozenset().union(*(legible_text.covered_by(source) for source in CHAIN))
    for code in range(0x110000):
        assert covered.issuperset(make_legible(chr(code))), f"U+{code:04X}"


def test_scripts_stay_as_they_are() -> None:
    assert make_legible(MANY_SCRIPTS) == MANY_SCRIPTS


@pytest.mark.parametrize(
    ("token", "marked"), [(" the", "␣the"), ("  a b", "␣␣a b"), ("   ", "␣␣␣"), ("a ", "a "), ("", ""), ("\n ", "\n ")]
)
def test_leading_spaces_are_marked(token: str, marked: str) -> None:
    assert mark_space(token) == marked


def test_every_character_has_a_glyph_in_the_files_made() -> None:
    faces = load_typefaces(MANY_SCRIPTS)
    covered = set().union(*(characters_of(face.path) for face in faces.faces if face.weight == 400))
    assert covered >= set(MANY_SCRIPTS) | ALWAYS
    assert faces.families[0] == "reportgen Sans"
    assert faces.families[-1] == CJK.family
    assert faces.mono_families == (MONO.family, *faces.families)


def test_a_font_holds_only_what_it_contributes() -> None:
    faces = {face.family: characters_of(face.path) for face in load_typefaces("天氣").faces}
    assert faces[CJK.family] == {"天", "氣", " ", "◌"}  # with what tokens and words of a script need
    assert "reportgen Sans Thai" not in faces


def test_faces_are_static_renamed_and_of_their_weight() -> None:
    for face in load_typefaces("天 ก 🐠").faces:
        with TTFont(face.path) as font:
            assert "fvar" not in font
            assert font["name"].getDebugName(1) == face.family
            assert font["OS/2"].usWeightClass == face.weight


def test_the_heading_face_is_bolder() -> None:
    widths = {}
    for face in load_typefaces("").faces:
        if face.family == "reportgen Sans":
            with TTFont(face.path) as font:
                widths[face.weight] = font["hmtx"][font.getBestCmap()[ord("m")]][0]
    assert widths[700] > widths[400]


@pytest.mark.slow
def test_equal_input_gives_equal_bytes(empty_cache: Path) -> None:
    first = {path.name: path.read_bytes() for path in load_typefaces("天氣 नमस्ते 🐠").files}
    for path in (empty_cache / "fonts").rglob("*.?tf"):
        path.unlink()
    again = {path.name: path.read_bytes() for path in load_typefaces(["नमस्ते", "🐠", "氣天 "]).files}
    assert again == first


def test_a_second_report_reuses_the_files(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_typefaces("天氣")
    monkeypatch.setattr(cut_fonts, "cut", lambda *_: pytest.fail("a font was made twice"))
    assert load_typefaces("氣天") == first


def test_a_cache_that_cannot_be_written_is_done_without(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = empty_cache / "file"
    blocked.touch()
    monkeypatch.setenv("REPORTGEN_CACHE", str(blocked))
    files = load_typefaces("天").files
    assert all(path.is_file() for path in files)
    assert list(empty_cache.iterdir()) == [blocked]


def test_damaged_fonts_are_made_again(empty_cache: Path) -> None:
    faces = load_typefaces("天").faces
    css = Typefaces(faces).css()
    kept = {file: file.read_bytes() for file in (empty_cache / "fonts").iterdir() if file.is_file()}
    assert {file.suffix for file in kept} == {".ttf", ".otf", ".woff2", ".json"}
    for at, (file, content) in enumerate(sorted(kept.items())):
        flipped = content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]
        exchanged = next((kept[one] for one in kept if one.suffix == file.suffix and one != file), b"[]")
        file.write_bytes([content[:50], b"", flipped, exchanged][at % 4])
    for remembered in (legible_text.covered_by, legible_text.source_of, legible_text._spell_unseen):
        remembered.cache_clear()
    assert load_typefaces("天").faces == faces
    assert Typefaces(faces).css() == css
    assert {file: file.read_bytes() for file in kept} == kept


@pytest.mark.slow
def test_a_cache_that_is_full_is_done_without(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = [path.name for path in load_typefaces("天").files]
    write, room = kept_fonts._write, [3]

    def full(path: Path, content: bytes) -> None:
        room[0] -= 1
        if room[0] < 0 and path.is_relative_to(empty_cache):
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, content)

    for path in (empty_cache / "fonts").rglob("*.?tf"):
        path.unlink()
    monkeypatch.setattr(kept_fonts, "_write", full)
    monkeypatch.setattr(kept_fonts, "_full", set())
    files = load_typefaces("天").files
    assert [path.name for path in files] == before
    assert all(path.is_file() for path in files)
    assert len({path.parent for path in files}) == 1
    assert load_typefaces("天").css().count("@font-face") == len(files)


def test_the_style_sheet_holds_the_fonts_themselves() -> None:
    faces = load_typefaces("天")
    css = faces.css()
    assert css == Typefaces(faces.faces).css()
    rules = re.findall(r'@font-face\{font-family:"([^"]+)";font-weight:(\d+);.*?base64,([^)]+)\)', css)
    assert [(family, int(weight)) for family, weight, _ in rules] == [(f.family, f.weight) for f in faces.faces]
    with TTFont(BytesIO(base64.b64decode(rules[-1][2]))) as font:
        assert font.flavor == "woff2"
        assert set(font.getBestCmap()) == {ord(character) for character in "天 ◌"}
    assert css.count("http") == 0


def test_for_a_printer_the_fonts_are_as_they_are() -> None:
    faces = load_typefaces("天")
    found = re.findall(r"base64,([^)]+)\) format\('opentype'\)", faces.css(packed=False))
    assert [base64.b64decode(one) for one in found] == [file.read_bytes() for file in faces.files]


def test_chinese_characters_have_the_shapes_of_the_language_that_is_spoken() -> None:
    """骨 is written otherwise on the mainland; 日 is not."""
    shapes: dict[str, dict[str, object]] = {}
    for tag in ("en", "zh-TW", "zh-CN"):
        with use_language(tag):
            faces = load_typefaces({"骨日"})
        (file,) = (face.path for face in faces.faces if face.family == CJK.family)
        with TTFont(file) as font:
            glyphs, names = font.getGlyphSet(), font.getBestCmap()
            pens = {one: RecordingPen() for one in "骨日"}
            for one, pen in pens.items():
                glyphs[names[ord(one)]].draw(pen)
        shapes[tag] = {one: pen.value for one, pen in pens.items()}
    assert shapes["en"] == shapes["zh-TW"]
    assert shapes["zh-CN"]["骨"] != shapes["zh-TW"]["骨"]
    assert shapes["zh-CN"]["日"] == shapes["zh-TW"]["日"]


def test_both_chinese_faces_have_the_same_characters() -> None:
    assert covered_by(SIMPLIFIED) == covered_by(CJK)
