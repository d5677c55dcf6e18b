"""A deck as `slides.pptx`: real titles, pictures as vectors with a PNG for programs that know none, speaker notes.

The same deck gives the same bytes: no clock, no random id.
"""

import base64
import io
import re
import zipfile
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from xml.etree import ElementTree

from PIL import Image

from reportgen.language import direction, get_language
from reportgen.look.legible import make_legible
from reportgen.look.theme import Theme
from reportgen.report.slides import layout as deck_layout
from reportgen.report.slides.layout import Box, Words
from reportgen.report.slides.slide import Deck, Picture, Slide

TYPEFACE = "Noto Sans"
FALLBACK = 'panose="020B0502040504020204" pitchFamily="34" charset="0"'
"""A sans serif: where Noto Sans is missing, programs take the like of it (Arial)."""
OPENING_LAYOUT, FIGURE_LAYOUT = "Title Slide", "Title Only"
EMU_A_POINT = 12700
LOGO_PIXELS = 800
"""Of the longer side of an SVG logo, where a program cannot draw it: sharp on a large screen."""
LONGEST_PROPERTY = 255
"""Characters of a title or an author of the file."""
BEGINNING = datetime(1980, 1, 1)
"""The first moment that a zip archive knows."""
VECTOR = (
    '<a:ext uri="{96DAC541-7B7A-43D3-8B79-37D633B846F1}"'
    ' xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
    ' xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">'
    '<asvg:svgBlip xmlns:asvg="http://schemas.microsoft.com/office/drawing/2016/SVG/main" r:embed="%s"/></a:ext>'
)
NUMBER = (
    '<a:fld xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
    ' id="{C1FF6DA9-008F-8B48-92A6-B652298478BF}" type="slidenum"><a:rPr lang="en-US" sz="%d">'
    '<a:solidFill><a:srgbClr val="%s"/></a:solidFill></a:rPr><a:t>%d</a:t></a:fld>'
)


def write_powerpoint(deck: Deck) -> bytes:
    """The file's content, in the language that is spoken."""
    from pptx import Presentation

    made = Presentation()
    _widen(made)
    _set_typefaces(made)
    _describe(made, deck)
    _add_opening(made, deck)
    for number, slide in enumerate(deck.slides, 2):
        _add_slide(made, slide, number, deck.theme)
    out = io.BytesIO()
    made.save(out)
    return _drop_clock(out.getvalue())


def _widen(made: Any) -> None:
    """The template is 4:3: master and layouts are widened, and the layouts that no slide has go."""
    factor = deck_layout.WIDTH * EMU_A_POINT / made.slide_width
    made.slide_width, made.slide_height = (_emu(length) for length in (deck_layout.WIDTH, deck_layout.HEIGHT))
    for layout in list(made.slide_layouts):
        if layout.name not in (OPENING_LAYOUT, FIGURE_LAYOUT):
            made.slide_layouts.remove(layout)
    for sheet in (made.slide_master, *made.slide_layouts):
        for transform in sheet.element.iter("{http://schemas.openxmlformats.org/drawingml/2006/main}xfrm"):
            for place in transform:
                for name in {"x", "cx"}.intersection(place.attrib):
                    place.set(name, str(round(int(place.get(name)) * factor)))


def _set_typefaces(made: Any) -> None:
    """The theme's two typefaces, which everything on the slides inherits."""
    theme = next(part for part in _find_related(made.slide_master.part, "theme"))
    text = theme.blob.decode()
    text = text.replace('<a:latin typeface="Calibri"/>', f'<a:latin typeface="{TYPEFACE}" {FALLBACK}/>')
    theme._blob = text.encode()


def _find_related(part: Any, kind: str) -> list[Any]:
    return [relation.target_part for relation in part.rels.values() if relation.reltype.endswith(f"/{kind}")]


def _describe(made: Any, deck: Deck) -> None:
    """What file managers and screen readers say of the file; the template's own author, thumbnail and printer go."""
    about = made.core_properties
    about.title = _shorten_property(make_legible(deck.title))
    about.author = about.last_modified_by = "reportgen"
    about.comments = about.keywords = about.subject = ""
    about.language = get_language()
    about.created = about.modified = BEGINNING
    for owner, kinds in ((made.part.package, ("thumbnail",)), (made.part, ("printerSettings",))):
        for name, relation in list(owner._rels.items()):
            if relation.reltype.endswith(tuple(f"/{kind}" for kind in kinds)):
                owner._rels.pop(name)


def _shorten_property(text: str) -> str:
    """A text as the properties of a file take it."""
    return text if len(text) <= LONGEST_PROPERTY else f"{text[: LONGEST_PROPERTY - 1]}…"


def _add_opening(made: Any, deck: Deck) -> None:
    words = deck_layout.lay_out_opening(deck)
    sheet = made.slides.add_slide(made.slide_layouts.get_by_name(OPENING_LAYOUT))
    title, models = sheet.placeholders
    _place(title, words.title.box)
    _paint(sheet, deck.theme)
    if deck.theme.logo is not None:
        _add_logo(sheet, deck.theme.logo, words.logo)
    _write(title.text_frame, [words.title.text], words.title.size, deck.theme.ink, bold=True)
    if not words.models:
        models._element.getparent().remove(models._element)
        return
    first, last = words.models[0], words.models[-1]
    bottom = last.box.top + last.box.height
    _place(models, Box(first.box.left, first.box.top, first.box.width, bottom - first.box.top))
    _write(models.text_frame, [line.text for line in words.models], first.size, deck.theme.ink, space=8)


def _add_slide(made: Any, slide: Slide, number: int, theme: Theme) -> None:
    words = deck_layout.lay_out_slide(slide, deck_layout.choose_letters(theme))
    sheet = made.slides.add_slide(made.slide_layouts.get_by_name(FIGURE_LAYOUT))
    _place(sheet.shapes.title, words.title.box)
    _paint(sheet, theme)
    _write(sheet.shapes.title.text_frame, [words.title.text], words.title.size, theme.ink, bold=True)
    _add_words(sheet, words.kicker, theme.muted)
    _add_words(sheet, words.sentence, theme.ink)
    _add_words(sheet, words.remark, theme.ink)
    for at, (picture, box) in enumerate(zip(slide.pictures, words.pictures, strict=True)):
        if words.names:
            _add_words(sheet, words.names[at], theme.muted)
        _add_picture(sheet, picture, box)
    _add_words(sheet, words.definition, theme.muted)
    _add_number(sheet, number, words.number, theme.muted)
    notes = sheet.notes_slide.notes_text_frame
    _write(notes, slide.notes)


def _paint(sheet: Any, theme: Theme) -> None:
    """The ground of a slide; where the theme has none, that of the template."""
    from pptx.dml.color import RGBColor

    if deck_layout.ground(theme) != deck_layout.WHITE:
        fill = sheet.background.fill
        fill.solid()
        fill.fore_color.rgb = RGBColor.from_string(_hexadecimal(deck_layout.ground(theme)))


def _hexadecimal(colour: str) -> str:
    return colour.removeprefix("#").upper()


def _add_words(sheet: Any, words: Words, colour: str) -> None:
    if not words.text:
        return
    shape = sheet.shapes.add_textbox(*_corners(words.box))
    _write(shape.text_frame, [words.text], words.size, colour)


def _add_number(sheet: Any, number: int, place: Words, colour: str) -> None:
    from pptx.oxml import parse_xml

    shape = sheet.shapes.add_textbox(*_corners(place.box))
    _write(shape.text_frame, [""], place.size, colour)
    paragraph = shape.text_frame.paragraphs[0]
    paragraph._p.get_or_add_pPr().set("algn", "l" if direction(get_language()) == "rtl" else "r")
    for run in list(paragraph.runs):
        paragraph._p.remove(run._r)
    paragraph._p.append(parse_xml(NUMBER % (round(100 * place.size), _hexadecimal(colour), number)))


def _add_picture(sheet: Any, picture: Picture, box: Box) -> None:
    """The PNG, and within it the SVG, which programs that can draw it prefer."""
    drawing = picture.figure.drawing
    shape = sheet.shapes.add_picture(io.BytesIO(drawing.png()), *_corners(box))
    about = shape._element.nvPicPr.cNvPr
    about.set("descr", make_legible(picture.alt))
    about.set("name", make_legible(picture.figure.stem))
    _add_vector(sheet, shape, drawing.svg("paths").encode())


def _add_logo(sheet: Any, logo: str, room: Box) -> None:
    """A picture from its data URI, as large as fits; an SVG with its pixels, for programs that cannot draw it."""
    kind, _, content = logo.removeprefix("data:").partition(";base64,")
    found = base64.b64decode(content)
    vector = found if kind == "image/svg+xml" else None
    if vector is not None:
        found = _draw_pixels(vector)
    shape = sheet.shapes.add_picture(io.BytesIO(found), *_corners(room)[:2])
    scale = min(_emu(room.width) / shape.width, _emu(room.height) / shape.height)
    wide = round(shape.width * scale)
    left = room.left if direction(get_language()) == "ltr" else room.left + room.width - wide / EMU_A_POINT
    shape.left, shape.width, shape.height = _emu(left), wide, round(shape.height * scale)
    shape._element.nvPicPr.cNvPr.set("descr", "")
    if vector is not None:
        _add_vector(sheet, shape, vector)


def _draw_pixels(svg: bytes) -> bytes:
    """The PNG of an SVG, the same on every machine: no fonts of the system's. Clear where it cannot be drawn."""
    import resvg_py

    wide, high = _pixels(svg)
    try:
        return bytes(resvg_py.svg_to_bytes(svg_string=svg.decode(), width=wide, height=high, skip_system_fonts=True))
    except (ValueError, RuntimeError):
        clear = io.BytesIO()
        Image.new("RGBA", (wide, high)).save(clear, "png")
        return clear.getvalue()


def _pixels(svg: bytes) -> tuple[int, int]:
    """How wide and high an SVG is, by its viewBox, else by its width and height; square where it says neither."""
    root = ElementTree.fromstring(svg)
    box = [float(part) for part in re.findall(r"[\d.]+", root.get("viewBox", ""))][2:]
    sides = [float(part) for name in ("width", "height") for part in re.findall(r"^[\d.]+", root.get(name, ""))]
    wide, high = box if len(box) == 2 else sides if len(sides) == 2 else (1.0, 1.0)
    scale = LOGO_PIXELS / max(wide, high, 1e-9)
    return max(1, round(wide * scale)), max(1, round(high * scale))


def _add_vector(sheet: Any, shape: Any, svg: bytes) -> None:
    """What programs that can draw it show in place of a picture's pixels."""
    from pptx.opc.constants import RELATIONSHIP_TYPE
    from pptx.opc.package import Part
    from pptx.oxml import parse_xml

    package = sheet.part.package
    part = Part(package.next_partname("/ppt/media/vector%d.svg"), "image/svg+xml", package, svg)
    relation = sheet.part.relate_to(part, RELATIONSHIP_TYPE.IMAGE)
    blip = shape._element.blipFill.find(".//{*}blip")
    extensions = blip.makeelement(f"{{{blip.nsmap['a']}}}extLst", {})
    extensions.append(parse_xml(VECTOR % relation))
    blip.append(extensions)


def _write(
    frame: Any,
    paragraphs: Sequence[str],
    size: float | None = None,
    colour: str = "",
    *,
    bold: bool = False,
    space: float = 0,
) -> None:
    """Paragraphs from the side where reading begins; without a size, in that of the placeholder."""
    from pptx.dml.color import RGBColor
    from pptx.enum.text import MSO_ANCHOR, MSO_AUTO_SIZE
    from pptx.util import Pt

    if size is not None:
        frame.word_wrap, frame.vertical_anchor = True, MSO_ANCHOR.TOP
        frame.auto_size = MSO_AUTO_SIZE.TEXT_TO_FIT_SHAPE  # where the typeface that is found is wider
        frame.margin_left = frame.margin_right = frame.margin_top = frame.margin_bottom = 0
    for at, text in enumerate(paragraphs):
        paragraph = frame.paragraphs[0] if at == 0 else frame.add_paragraph()
        _turn(paragraph)
        run = paragraph.add_run()
        run.text = _make_plain(text)
        run._r.get_or_add_rPr().set("lang", get_language())
        if size is not None:
            paragraph.space_before = Pt(space if at else 0)
            run.font.size, run.font.bold = Pt(size), bold
            run.font.color.rgb = RGBColor.from_string(_hexadecimal(colour))


def _turn(paragraph: Any) -> None:
    turned = direction(get_language()) == "rtl"
    properties = paragraph._p.get_or_add_pPr()
    properties.set("algn", "r" if turned else "l")
    properties.set("rtl", "1" if turned else "0")


def _make_plain(text: str) -> str:
    """A text of ours or a stranger's; the backticks of a docstring mark code, which slides set like the rest."""
    return make_legible(text).replace("`", "")


def _place(shape: Any, box: Box) -> None:
    shape.left, shape.top, shape.width, shape.height = _corners(box)


def _corners(box: Box) -> tuple[int, int, int, int]:
    return _emu(box.left), _emu(box.top), _emu(box.width), _emu(box.height)


def _emu(points: float) -> int:
    return round(points * EMU_A_POINT)


def _drop_clock(content: bytes) -> bytes:
    """The same archive, its members without the clock."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as given, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as written:
        for name in _members(given.namelist()):
            member = zipfile.ZipInfo(name, BEGINNING.timetuple()[:6])
            member.compress_type, member.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            written.writestr(member, given.read(name))
    return out.getvalue()


def _members(names: Iterable[str]) -> list[str]:
    """The list of content types first, as the format asks; the rest in one order."""
    return sorted(names, key=lambda name: (name != "[Content_Types].xml", name))
