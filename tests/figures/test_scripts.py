import unicodedata
import warnings
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from fontTools.ttLib import TTFont
from PIL import Image

from reportgen.figures.describe import Figure, StackedBars, TokenGrid, list_texts
from reportgen.figures.draw import Drawing, draw
from reportgen.look.fonts import Typefaces, load_typefaces
from reportgen.look.legible import families_of, make_legible
from reportgen.text.characters import mark_space

SCRIPTS = {
    "Latin": "Žluťoučký ẩn", "Greek": "ελληνικά", "Cyrillic": "Жизнь ёлка", "Han traditional": "天氣預報",
    "Han simplified": "天气预报", "Hiragana": "ひらがな", "Katakana": "カタカナ", "Hangul": "한국어",
    "Arabic": "مرحبا", "Hebrew": "שלום", "Devanagari": "नमस्ते", "Bengali": "বাংলা", "Tamil": "தமிழ்",
    "Telugu": "తెలుగు", "Kannada": "ಕನ್ನಡ", "Malayalam": "മലയാളം", "Thai": "สวัสดี", "Lao": "ສະບາຍດີ",
    "Khmer": "ភាសាខ្មែរ", "Georgian": "ქართული", "Armenian": "հայերեն", "Ethiopic": "አማርኛ",
    "emoji, joined": "👩\u200d🚀", "combining marks": "e\u0301 g\u0301 a\u0323\u0302",
}  # fmt: skip
STRANGE = (
    "<A0>→\u0e35", "→\u09c0", "a\u09c0", "a→\u0e35", "天\u0301", "天\u0e35", "م\u0301", "ก\u0301", "😀\u0301",
    "a\u064e", "→\u064e", "x\u05b8", "1\ufe0f\u20e3", "x\u20d7", "e\u0301\u0e35", "กำ", "ກຳ", "→\u0e33", "a\U0001f3fe",
    "มُ", "\u0e35", "→\u1cf7",
)  # fmt: skip
"""Marks on characters of another font, and letters that shaping takes apart."""


@pytest.fixture(scope="module")
def words() -> Typefaces:
    return load_typefaces(text for figure in (bars(), grid()) for text in list_texts(figure))


def bars() -> StackedBars:
    return StackedBars(name="b", subject=(), title="t", alt="a", bars=list(SCRIPTS.values()), segments=["one"],
                       values=np.ones((len(SCRIPTS), 1)), value_label="v")  # fmt: skip


def grid() -> TokenGrid:
    rows = len(SCRIPTS)
    return TokenGrid(name="g", subject=(), title="t", alt="a", row_label="script", rows=list(SCRIPTS),
                     column_label="word", columns=[" word"], texts=[[word] for word in SCRIPTS.values()],
                     values=np.zeros((rows, 1)), value_label="v", outlined=np.zeros((rows, 1), bool))  # fmt: skip


def draw_figure(figure: Figure, faces: Typefaces) -> Drawing:
    return draw(figure, typefaces=faces, styles={})


@pytest.mark.parametrize("figure", [bars(), grid()], ids=["text", "tokens"])
def test_twenty_scripts_are_drawn_without_a_missing_glyph(figure: Figure, words: Typefaces) -> None:
    # matplotlib warns of each glyph that no font of a text has, and here warnings are errors.
    drawing = draw_figure(figure, words)
    assert len(SCRIPTS) >= 20
    assert drawing.png(60).startswith(b"\x89PNG")
    for text in ("paths", "characters", "simple characters"):
        assert drawing.svg(text).startswith("<svg")
    assert drawing.pdf().startswith(b"%PDF")


def test_a_missing_glyph_would_be_noticed() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        draw_figure(replace(bars(), bars=["한국"], values=np.ones((1, 1))), load_typefaces(["한"])).png(30)
    assert any("missing from font" in str(one.message) for one in caught)


@pytest.mark.parametrize("mono", [False, True])
@pytest.mark.parametrize("script", SCRIPTS)
def test_each_character_has_a_glyph_in_a_family_of_its_text(script: str, mono: bool, words: Typefaces) -> None:
    shown = make_legible(mark_space(SCRIPTS[script]))
    regular = {face.family: face.path for face in words.faces if face.weight == 400}
    covered: set[str] = set()
    for family in families_of(shown, mono=mono):
        with TTFont(regular[family]) as font:
            covered |= {chr(code) for code, glyph in font.getBestCmap().items() if glyph != ".notdef"}
    # what a mark makes with its letter may stand there as one
    missing = set(unicodedata.normalize("NFC", shown)) - covered
    assert not missing


def test_what_joins_emoji_is_made_visible() -> None:
    assert make_legible(SCRIPTS["emoji, joined"]) == "👩<U+200D>🚀"


def test_every_word_leaves_ink_of_its_own(words: Typefaces) -> None:
    """Two words that were both drawn as boxes would look the same."""
    drawing = draw_figure(bars(), words)
    with Image.open(BytesIO(drawing.png(100))) as picture:
        grey = np.asarray(picture.convert("L"))
    left = int(grey.shape[1] * 0.24)
    # bars are 16 points apart, below a key of 18 and a margin of 3
    rows = [grey[int((21 + at * 16) * 100 / 72) :][:21, :left] for at in range(len(SCRIPTS))]
    assert all((row < 128).sum() > 15 for row in rows)
    assert len({row.tobytes() for row in rows}) == len(SCRIPTS)


def test_a_letter_is_drawn_whole_whatever_marks_other_tokens_bring() -> None:
    token = TokenGrid(name="g", subject=(), title="t", alt="a", row_label="r", rows=["0"], column_label="c",
                      columns=["x"], texts=[["ẩn"]], values=np.zeros((1, 1)), value_label="v",
                      outlined=np.zeros((1, 1), bool))  # fmt: skip
    others = ["\u0309", "a\u0302\u0309", "ǵ ḱ g\u0301"]
    assert (
        draw_figure(token, load_typefaces(list_texts(token))).svg()
        == draw_figure(token, load_typefaces([*list_texts(token), *others])).svg()
    )


@pytest.mark.parametrize("text", STRANGE)
def test_a_mark_and_what_it_stands_on_are_set_from_one_font(text: str) -> None:
    # Alone, so that no other text brings what this one needs; matplotlib's warnings of missing glyphs are errors here.
    figure = replace(grid(), rows=["1"], texts=[[text]], values=np.zeros((1, 1)), outlined=np.zeros((1, 1), bool))
    drawing = draw_figure(figure, load_typefaces(list_texts(figure)))
    assert drawing.png(30)
    assert drawing.svg("paths")
    bare = replace(bars(), bars=[text], values=np.ones((1, 1)))
    assert draw_figure(bare, load_typefaces(list_texts(bare))).pdf()
