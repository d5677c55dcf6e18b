"""Cut fonts say what the whole ones say."""

import hashlib
import os
import random
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
import uharfbuzz as hb
from fontTools.ttLib import TTFont

from reportgen.look import cut_fonts
from reportgen.look.font_sources import BOLD, CHAIN, CJK, EMOJI, MONO, REGULAR, SCRIPTS, TEXT, Source, own_font
from reportgen.look.legible import DOTTED_CIRCLE, add_parts

SOURCES = {source.family.removeprefix("reportgen "): source for source in (*CHAIN, MONO)}
WORDS = {
    "Sans": "Žluťoučký Affinity AV e\u0301 x\u0302 ậ",
    "Sans Arabic": "العَرَبِيَّة مرحبا لا بِسْمِ",
    "Sans Bengali": "বাংলা স্ত্রী ক্ষ",
    "Sans Devanagari": "क्षत्रिय हिन्दी र्क द्ध्य नमस्ते",
    "Sans Hebrew": "שָׁלוֹם עברית",
    "Sans Khmer": "ភាសាខ្មែរ ស្ត្រី",
    "Sans Lao": "ສະບາຍດີ ກ້ຳ",
    "Sans Malayalam": "മലയാളം ക്ഷ സ്ത്രീ",
    "Sans Myanmar": "မြန်မာ က္က",
    "Sans Tamil": "தமிழ் க்ஷ ஸ்ரீ",
    "Sans Telugu": "తెలుగు క్ష స్త్రీ",
    "Sans Thai": "ก้ำ ที่นี่ ปั้น สวัสดี",
    "CJK": "天氣預報 ひらがな 한국어 𠮷",
}
"""Words whose letters join, stack or carry marks; of the other fonts some characters are taken."""
EACH = pytest.mark.parametrize("name", SOURCES)


def words(name: str) -> str:
    codes = cut_fonts.codes_of(SOURCES[name])
    return WORDS.get(name) or "".join(map(chr, codes[:: max(1, len(codes) // 20)]))


def cut(name: str, weight: int, text: str) -> bytes:
    """As a report cuts its fonts: with what shaping makes of the characters."""
    characters = add_parts(text + unicodedata.normalize("NFC", text)) + DOTTED_CIRCLE + " "
    return cut_fonts.cut(SOURCES[name], weight, characters)


def face_of(source: Source) -> hb.Face:
    return hb.Face(hb.Blob.from_file_path(str(source.path)), max(source.number, 0))


def shaped(
    face: hb.Face, text: str, names: Callable[[int], str], weight: int | None = None
) -> list[tuple[object, ...]]:
    """What each word becomes: names of glyphs, and where they stand."""
    font = hb.Font(face)
    if weight is not None:
        font.set_variations({"wght": weight})
    found: list[tuple[object, ...]] = []
    for word in text.split():
        buffer = hb.Buffer()
        buffer.add_str(word)
        buffer.guess_segment_properties()
        hb.shape(font, buffer)
        for info, place in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True):
            found.append((names(info.codepoint), info.cluster, place.x_advance, place.x_offset, place.y_offset))
    return found


def names_of(font: TTFont) -> Callable[[int], str]:
    # Glyphs of CJK are numbered alone.
    return (lambda _: "") if "glyf" not in font else font.getGlyphOrder().__getitem__


@EACH
@pytest.mark.parametrize("weight", [REGULAR, BOLD])
def test_a_cut_font_shapes_words_as_the_whole_one_at_that_weight(name: str, weight: int) -> None:
    source, text = SOURCES[name], words(name)
    content = cut(name, weight, text)
    with TTFont(BytesIO(content)) as made, TTFont(source.path, fontNumber=source.number, lazy=True) as whole:
        assert not {"fvar", "gvar", "HVAR", "CFF2", "STAT", "vmtx"} & set(made.keys())
        found = shaped(hb.Face(content), text, names_of(made))
        expected = shaped(face_of(source), text, names_of(whole), weight if "fvar" in whole else None)
    assert [one[:2] for one in found] == [one[:2] for one in expected]
    # places between two weights are rounded here before they are added up, there after
    for one, other in zip(found, expected, strict=True):
        assert one[2:] == pytest.approx(other[2:], abs=2)


@EACH
def test_glyphs_and_boxes_are_called_the_same_whatever_else_is_cut_out(name: str) -> None:
    source, text = SOURCES[name], words(name)
    more = text + "".join(map(chr, cut_fonts.codes_of(source)[::37][:200]))
    found = []
    for characters in (text, more):
        content = cut(name, REGULAR, characters)
        with TTFont(BytesIO(content)) as made:
            boxes = [getattr(made[tag], field) for tag, fields in cut_fonts.BOXES.items() for field in fields]
            found.append((shaped(hb.Face(content), text, names_of(made)), boxes))
    assert found[0] == found[1]


PROGRAM = """
import hashlib, sys
from reportgen.look.cut_fonts import cut
from reportgen.look.font_sources import CJK, EMOJI, SCRIPTS, TEXT
for source in (TEXT, *SCRIPTS[:4], EMOJI, CJK):
    print(hashlib.sha256(cut(source, 700, "AVé fi مرحبا हिन्दी বাংলা 🐠 天氣")).hexdigest())
"""


def test_another_process_cuts_the_same_bytes() -> None:
    told = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM], env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        ).stdout.split()
        for seed in ("1", "2")
    ]  # fmt: skip
    assert told[0] == told[1]
    assert len(set(told[0])) == 7
    own = cut_fonts.cut(TEXT, BOLD, "AVé fi مرحبا हिन्दी বাংলা 🐠 天氣")
    assert hashlib.sha256(own).hexdigest() == told[0][0]


def test_a_font_packed_for_the_web_is_cut_as_it_was_before(tmp_path: Path) -> None:
    plain, packed = tmp_path / "own.ttf", tmp_path / "own.woff2"
    plain.write_bytes(cut_fonts.cut(TEXT, REGULAR, "Title AV"))
    packed.write_bytes(cut_fonts.woff2(plain))
    assert cut_fonts.refusal(packed.read_bytes()) is None
    ours, theirs = (own_font(str(file), file.name) for file in (plain, packed))
    assert cut_fonts.codes_of(ours) == cut_fonts.codes_of(theirs)
    with (
        TTFont(BytesIO(cut_fonts.cut(ours, REGULAR, "AV"))) as one,
        TTFont(BytesIO(cut_fonts.cut(theirs, REGULAR, "AV"))) as other,
    ):
        assert one.getGlyphOrder() == other.getGlyphOrder() == [".notdef", "A", "V"]
        assert other.flavor is None


def test_a_whole_font_of_any_kind_is_not_refused() -> None:
    for source in (TEXT, EMOJI, MONO):
        assert cut_fonts.refusal(source.path.read_bytes()) is None
    assert cut_fonts.refusal(cut_fonts.cut(CJK, REGULAR, "天氣")) is None


def damaged(content: bytes, chance: random.Random) -> bytes:
    """A font cut short, or with some bytes of its tables, or of the list of these, exchanged."""
    if chance.random() < 0.2:
        return content[: chance.randrange(len(content))]
    bytes_ = bytearray(content)
    reach = len(bytes_) if chance.random() < 0.5 else min(len(bytes_), 400)
    for _ in range(chance.choice((1, 3, 40))):
        bytes_[chance.randrange(reach)] = chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))
    return bytes(bytes_)


def test_damaged_fonts_are_refused_in_one_line_or_cut(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(7)
    plain = [
        cut_fonts.cut(source, REGULAR, text)
        for source, text in ((TEXT, "abcé fi"), (SCRIPTS[0], "مرحبا"), (SCRIPTS[-1], "กำ"), (CJK, "天氣"))
    ]
    file = tmp_path / "own.ttf"
    file.write_bytes(plain[0])
    fonts = [*plain, cut_fonts.woff2(file), SOURCES["Sans Hebrew"].path.read_bytes()]
    refused = 0
    for _ in range(120):
        content = damaged(chance.choice(fonts), chance)
        why = cut_fonts.refusal(content)
        if why is not None:
            assert why
            assert "\n" not in why
            refused += 1
            continue
        file.write_bytes(content)
        own = own_font(str(file), hashlib.sha256(content).hexdigest())
        made = cut_fonts.cut(own, REGULAR, "".join(map(chr, cut_fonts.codes_of(own)[:20])))
        assert made[:4] in (b"\0\1\0\0", b"OTTO", b"true")
    assert 40 < refused < 115
    assert capfd.readouterr() == ("", "")
