"""Installed fonts read and cut down: the only module that imports HarfBuzz and fontTools.

HarfBuzz cuts, in a hundredth of the time that fontTools takes, which writes down what the cut fonts are called.
"""

import logging
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import uharfbuzz as hb
from fontTools.pens.basePen import NullPen
from fontTools.ttLib import TTFont

from reportgen.look.font_sources import BOLD, OwnFont, Source

NEEDED = frozenset({"cmap", "head", "hhea", "hmtx", "maxp", "name", "OS/2", "post"})
"""Tables of every font."""
DROPPED = ("DSIG", "FFTM", "STAT", "VORG", "VVAR", "vhea", "vmtx")
"""Tables of lines that run down, and of what was true of the whole font alone."""
BOXES = {
    "head": ("xMin", "yMin", "xMax", "yMax"),
    "hhea": ("advanceWidthMax", "minLeftSideBearing", "minRightSideBearing", "xMaxExtent"),
}
"""Where a font says how large its glyphs get."""
TRIED = 1000
"""So many characters of a stranger's font are cut out and drawn to see whether it can be done; most have fewer."""

# What is odd in a stranger's font, but no reason to refuse it, is not for the screen.
logging.getLogger("fontTools").addHandler(logging.NullHandler())


def codes_of(source: Source) -> list[int]:
    """All characters of a font, in order, from its cmap table."""
    return sorted(_face(source).unicodes)


def refusal(content: bytes) -> str | None:
    """Why a file is not a font that text can be set in; None where it is one."""
    try:
        with TTFont(BytesIO(content), lazy=True) as font:
            characters = font.getBestCmap()
            if not characters:
                return "it has no characters"
            if not set(font.keys()) >= NEEDED:
                return "it lacks tables"
            _draw_all(_cut(hb.Face(_unpacked(content)), font, "", BOLD, sorted(characters)[:TRIED]))
    except Exception as error:  # whatever a stranger's bytes make it raise
        return str(error).strip().partition("\n")[0][:100] or type(error).__name__
    return None


def cut(source: Source, weight: int, characters: str) -> bytes:
    """A static font with these characters and what shaping them needs; equal bytes for equal input."""
    with _opened(source) as whole:
        return _cut(_face(source), whole, source.family, weight, map(ord, characters))


def woff2(path: Path) -> bytes:
    """A font file packed for a page."""
    with TTFont(path, recalcTimestamp=False) as font:
        font.flavor = "woff2"
        return _saved(font)


def _face(source: Source) -> hb.Face:
    # What is installed stays as it is while it is read; a file of one's own may be written anew.
    own = isinstance(source, OwnFont)
    content = _unpacked(source.path.read_bytes()) if own else hb.Blob.from_file_path(str(source.path))
    return hb.Face(content, max(source.number, 0))


def _unpacked(content: bytes) -> bytes:
    """A font as HarfBuzz reads it: not packed for the web."""
    if content[:4] not in (b"wOFF", b"wOF2"):
        return content
    with TTFont(BytesIO(content), recalcTimestamp=False, recalcBBoxes=False) as font:
        font.flavor = None
        return _saved(font)


def _cut(face: hb.Face, whole: TTFont, family: str, weight: int, codes: Iterable[int]) -> bytes:
    """`face` and `whole` are the same font, as the two libraries read it."""
    try:
        plan = hb.SubsetPlan(face, _what_to_keep(face, weight, codes))
        made = plan.execute()
    except RuntimeError as error:  # which says no more than that it failed
        raise ValueError("its tables are damaged") from error
    if made.glyph_count == 0:
        raise ValueError("its tables are damaged")
    with TTFont(BytesIO(made.blob.data), lazy=True, recalcTimestamp=False, recalcBBoxes=False) as font:
        # Glyphs keep their names, and fonts their boxes, so that a PDF of a figure says the same whatever else was
        # cut out.
        _keep_names(font, whole, plan.new_to_old_glyph_mapping)
        _keep_boxes(font, whole)
        _rename(font, family, weight)
        return _saved(font)


def _draw_all(content: bytes) -> None:
    """Raises an error where an outline is damaged, as libraries that draw it would."""
    with TTFont(BytesIO(content)) as font:
        glyphs = font.getGlyphSet()
        for name in glyphs:
            glyphs[name].draw(NullPen())


def _what_to_keep(face: hb.Face, weight: int, codes: Iterable[int]) -> hb.SubsetInput:
    """These characters, without hints; on a variable font's axes its own defaults, but for the weight."""
    asked, flags = hb.SubsetInput(), hb.SubsetFlags
    asked.flags = flags.NO_HINTING | flags.GLYPH_NAMES | flags.NOTDEF_OUTLINE | flags.DOWNGRADE_CFF2
    asked.unicode_set.set(set(codes))
    asked.name_id_set.clear()
    asked.drop_table_tag_set.update(int.from_bytes(tag.encode()) for tag in DROPPED)
    axes = {axis.tag: axis for axis in face.axis_infos}
    if axes:
        asked.pin_all_axes_to_default(face)
        asked.flags |= flags.SET_OVERLAPS_FLAG  # contours of variable fonts cross, which is drawn with care
    if (heavy := axes.get("wght")) is not None:
        asked.pin_axis_location(face, "wght", min(max(weight, heavy.min_value), heavy.max_value))
    return asked


def _keep_names(font: TTFont, whole: TTFont, places: dict[int, int]) -> None:
    """Writes down what glyphs are called where the font did not: else they are named by their places, which other
    glyphs change. Glyphs of CFF have names of their own, or none.
    """
    if "glyf" in font and font.getTableData("post")[:4] != b"\0\2\0\0":
        names = whole.getGlyphOrder()
        post = font["post"]
        post.formatType, post.extraNames, post.mapping = 2.0, [], {}
        font.setGlyphOrder([names[places[at]] for at in range(len(places))])


def _keep_boxes(font: TTFont, whole: TTFont) -> None:
    for tag, fields in BOXES.items():
        for field in fields:
            setattr(font[tag], field, getattr(whole[tag], field))


def _rename(font: TTFont, family: str, weight: int) -> None:
    style = "Bold" if weight == BOLD else "Regular"
    names = font["name"]
    names.names = []
    postscript = f"{family.replace(' ', '')}-{style}"
    for name_id, text in {1: family, 2: style, 3: postscript, 4: f"{family} {style}", 6: postscript}.items():
        names.setName(text, name_id, 3, 1, 0x409)
    font["OS/2"].usWeightClass = weight
    font["OS/2"].fsSelection = 0x20 if weight == BOLD else 0x40
    font["head"].macStyle = 1 if weight == BOLD else 0


def _saved(font: TTFont) -> bytes:
    out = BytesIO()
    font.save(out)
    return out.getvalue()


def _opened(source: Source) -> TTFont:
    return TTFont(source.path, fontNumber=source.number, lazy=True, recalcTimestamp=False, recalcBBoxes=False)
