"""Installed fonts read and cut down: the only module that imports fontTools."""

from io import BytesIO
from pathlib import Path

from fontTools import subset
from fontTools.cffLib.CFF2ToCFF import convertCFF2ToCFF
from fontTools.ttLib import TTFont
from fontTools.varLib import instancer

from reportgen.look.font_sources import BOLD, Source


def codes_of(source: Source) -> list[int]:
    """All characters of a font, in order, from its cmap table."""
    with _opened(source) as font:
        return sorted(font.getBestCmap())


def refusal(content: bytes) -> str | None:
    """Why a file is no font that text can be set in; None where it is one."""
    try:
        with TTFont(BytesIO(content), lazy=True) as font:
            if not font.getBestCmap():
                return "it has no characters"
            font.getGlyphSet()
            return None if {"head", "hmtx", "name", "post", "OS/2"} <= set(font.keys()) else "it lacks tables"
    except Exception as error:  # whatever a stranger's bytes make it raise
        return str(error).strip().partition("\n")[0][:100] or type(error).__name__


def cut(source: Source, weight: int, characters: str) -> bytes:
    """A static font with these characters and what shaping them needs; equal bytes for equal input."""
    # Instantiated before it is cut down, the font of CJK would take minutes for its 65,535 glyphs.
    font = _subset(source, characters)
    if "fvar" in font:
        font = _reread(instancer.instantiateVariableFont(font, _place(font, weight), inplace=True))
    if "CFF2" in font:
        font = _as_cff(font)
    _rename(font, source.family, weight)
    font["head"].modified = font["head"].created
    return _saved(font)


def woff2(path: Path) -> bytes:
    """A font file packed for a page."""
    with TTFont(path, recalcTimestamp=False) as font:
        font.flavor = "woff2"
        return _saved(font)


def _place(font: TTFont, weight: int) -> dict[str, float]:
    """Where on a variable font's axes a static one is taken: its own defaults, but for the weight."""
    axes = {axis.axisTag: axis for axis in font["fvar"].axes}
    place = {tag: float(axis.defaultValue) for tag, axis in axes.items()}
    if "wght" in axes:
        place["wght"] = min(max(float(weight), axes["wght"].minValue), axes["wght"].maxValue)
    return place


def _subset(source: Source, characters: str) -> TTFont:
    # Glyphs keep their names, and fonts their boxes, so that a PDF of a figure says the same whatever else was cut out.
    options = subset.Options(notdef_outline=True, hinting=False, name_IDs=[], glyph_names=True)
    options.drop_tables += ["FFTM", "STAT", "VORG", "vhea", "vmtx"]
    cutter = subset.Subsetter(options)
    cutter.populate(text=characters)
    with _opened(source) as font:
        cutter.subset(font)
        _keep_names(font)
        return _reread(font)


def _keep_names(font: TTFont) -> None:
    """Writes down what glyphs are called: else they are named by their places, which other glyphs change."""
    post = font["post"]
    post.formatType, post.extraNames, post.mapping, post.glyphOrder = 2.0, [], {}, font.getGlyphOrder()


def _reread(font: TTFont) -> TTFont:
    return TTFont(BytesIO(_saved(font)), recalcTimestamp=False, recalcBBoxes=False)


def _saved(font: TTFont) -> bytes:
    out = BytesIO()
    font.save(out)
    return out.getvalue()


def _as_cff(font: TTFont) -> TTFont:
    """The same outlines in the older table, which PDF readers and printers know."""
    # The conversion fails on what was not yet read when it starts (fontTools 4.68).
    _ = font["CFF2"].cff.topDictIndex[0].CharStrings
    convertCFF2ToCFF(font)
    return _reread(font)


def _rename(font: TTFont, family: str, weight: int) -> None:
    style = "Bold" if weight == BOLD else "Regular"
    names = font["name"]
    names.names = []
    postscript = f"{family.replace(' ', '')}-{style}"
    for name_id, text in {1: family, 2: style, 3: postscript, 4: f"{family} {style}", 6: postscript}.items():
        names.setName(text, name_id, 3, 1, 0x409)
    if "CFF " in font:
        cff = font["CFF "].cff
        cff.fontNames = [postscript]
        cff[0].FamilyName, cff[0].FullName, cff[0].Weight = family, f"{family} {style}", style
    font["OS/2"].usWeightClass = weight
    font["OS/2"].fsSelection = 0x20 if weight == BOLD else 0x40
    font["head"].macStyle = 1 if weight == BOLD else 0


def _opened(source: Source) -> TTFont:
    return TTFont(source.path, fontNumber=source.number, lazy=True, recalcTimestamp=False, recalcBBoxes=False)
