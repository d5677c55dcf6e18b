"""Where things stand on a slide of 13.333 x 7.5 inches: one layout for the PDF's pages and for PowerPoint's."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

from reportgen.language import direction, get_language
from reportgen.look.theme import Theme
from reportgen.report.slides.slide import Deck, Size, Slide

WIDTH, HEIGHT = 960.0, 540.0
SIDE, TOP, BOTTOM = 40.0, 26.0, 22.0
"""Points left free at the edges."""
GAP = 18.0
COLUMN = 290.0
"""Points of a column of words next to a figure."""
MOST_TEXT = 20.0
"""Points of a figure's text above which it is not enlarged."""
NAME = 1.56
"""Room that a picture's name takes above it, in sizes of its letters."""
REMARK = 6.0
"""Points between what to see and what its author says."""
WORTH = 1.12
"""A column of words takes the title off the top of the slide: for a figure that becomes this much larger by it."""


@dataclass(frozen=True)
class Letters:
    """Sizes of a deck's words, and how many lines of them there are at most, above a picture."""

    title: float
    title_lines: int
    sentence: float
    sentence_lines: int
    name: float
    number: float
    small_print: bool
    """Whether the question of the section and the definition stand on the slide: else the speaker alone has them."""
    least_text: float
    """Points of a figure's text that is still legible from the back of a room."""
    glance: int
    """Characters up to which what to see is more than one sentence."""


DESK = Letters(26.0, 2, 16.0, 4, 11.5, 10.0, True, 10.0, 200)
"""For a room, and for who reads the slides afterwards."""
HALL = Letters(24.0, 2, 18.0, 2, 18.0, 14.0, False, 18.0, 150)
HALL_FROM = 16.0
"""Points of what is legible, from which slides are for a hall."""


def choose_letters(theme: Theme) -> Letters:
    """Those of the slides of a theme."""
    return replace(HALL if theme.legible >= HALL_FROM else DESK, least_text=theme.legible)


@dataclass(frozen=True)
class Box:
    """A rectangle, in points from the upper left corner."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class Words:
    """A text in its box, cut where it does not fit."""

    text: str
    box: Box
    size: float
    """Points of its letters."""


@dataclass(frozen=True)
class Layout:
    """Everything on one slide."""

    kicker: Words
    title: Words
    sentence: Words
    remark: Words
    definition: Words
    pictures: Sequence[Box]
    names: Sequence[Words]
    """Above each picture; none where there is one alone."""
    number: Words
    """Where the slide's number stands."""


@dataclass(frozen=True)
class Opening:
    """Everything on the title slide."""

    title: Words
    models: Sequence[Words]
    logo: Box


LOGO = Box(SIDE, 48, 300, 64)
"""Where a theme's logo stands on the title slide, as large as fits."""
WHITE = "#ffffff"
LEADING = 1.28
"""From line to line, in sizes of the letters."""
BOLD = 1.1
"""How much wider bold letters are."""
NUMBER = Box(WIDTH - SIDE - 40, HEIGHT - BOTTOM - 10, 40, 14)


def lay_out_slide(slide: Slide, letters: Letters = DESK) -> Layout:
    """Words above the pictures, or next to them if the pictures gain by that. Mirrored for right-to-left pages."""
    if not letters.small_print:
        slide = replace(slide, kicker="", definition="")
    above, next_to = _lay_out_above(slide, letters), _lay_out_next_to(slide, letters)
    chosen = next_to if slide.pictures and _measure_picture(next_to) > WORTH * _measure_picture(above) else above
    return Layout(
        kicker=_mirror_words(chosen.kicker),
        title=_mirror_words(chosen.title),
        sentence=_mirror_words(chosen.sentence),
        remark=_mirror_words(chosen.remark),
        definition=_mirror_words(chosen.definition),
        pictures=[_mirror_box(box) for box in chosen.pictures],
        names=[_mirror_words(name) for name in chosen.names],
        number=_mirror_words(chosen.number),
    )


def lay_out_opening(deck: Deck) -> Opening:
    """The title slide's words."""
    width = WIDTH - 2 * SIDE
    title = fit_words(deck.title, Box(SIDE, 150, width, 0), 40, 3, bold=True)
    top = max(_find_bottom(title) + 24, HEIGHT / 2)
    size = 18.0 if len(deck.models) <= 4 else 13.0
    models: list[Words] = []
    for line in deck.models:
        models.append(fit_words(line, Box(SIDE, _find_bottom(models[-1]) + 8 if models else top, width, 0), size, 2))
    shown = [words for words in models if _find_bottom(words) <= HEIGHT - BOTTOM]
    return Opening(_mirror_words(title), [_mirror_words(words) for words in shown], _mirror_box(LOGO))


def ground(theme: Theme) -> str:
    """The colour of the slides."""
    return WHITE if theme.ground == "transparent" else theme.ground


def stay_legible(sizes: Sequence[Size], text: float, letters: Letters = DESK) -> bool:
    """Whether pictures of these sizes may share a slide: their text stays readable, or each alone is no larger."""
    name = letters.name * NAME
    rooms = [Box(SIDE, 0, WIDTH - 2 * SIDE, 330), Box(SIDE, 0, WIDTH - 2 * SIDE - COLUMN - GAP, HEIGHT - TOP - BOTTOM)]
    together = max(_scale(sizes, room, text, name) for room in rooms)
    alone = max(min(_scale([size], room, text, name) for size in sizes) for room in rooms)
    return together * text >= letters.least_text or together >= 0.9 * alone


def _lay_out_above(slide: Slide, letters: Letters) -> Layout:
    width = WIDTH - 2 * SIDE
    kicker = fit_words(slide.kicker, Box(SIDE, TOP, width, 0), 12, 1)
    title = fit_words(
        slide.title, Box(SIDE, _find_bottom(kicker), width, 0), letters.title, letters.title_lines, bold=True
    )
    place = Box(SIDE, _find_bottom(title) + 4, width, 0)
    spared = title.box.height <= letters.title * LEADING + 0.1  # a line that the title does not take is the sentence's
    sentence = fit_words(slide.sentence, place, letters.sentence, letters.sentence_lines + spared)
    remark = _below(sentence, slide.remark, width, 2)
    definition = _at_the_foot(slide.definition, SIDE, width - 60, 3)
    top = _find_bottom(remark) + 12
    bottom = definition.box.top - 8 if definition.text else HEIGHT - BOTTOM - letters.number
    room = Box(SIDE, top, width, bottom - top)
    return _with_pictures(slide, (kicker, title, sentence, remark, definition), room, letters)


def _lay_out_next_to(slide: Slide, letters: Letters) -> Layout:
    kicker = fit_words(slide.kicker, Box(SIDE, TOP, COLUMN, 0), 12, 2)
    title = fit_words(slide.title, Box(SIDE, _find_bottom(kicker), COLUMN, 0), 24, 5, bold=True)
    sentence = fit_words(slide.sentence, Box(SIDE, _find_bottom(title) + 8, COLUMN, 0), letters.sentence, 9)
    remark = _below(sentence, slide.remark, COLUMN, 5)
    free = HEIGHT - BOTTOM - _find_bottom(remark) - 16
    definition = _at_the_foot(slide.definition, SIDE, COLUMN, max(min(int(free // 14), 8), 1))
    left = SIDE + COLUMN + GAP
    room = Box(left, TOP, WIDTH - SIDE - left, HEIGHT - TOP - BOTTOM - 14)
    return _with_pictures(slide, (kicker, title, sentence, remark, definition), room, letters)


def _with_pictures(
    slide: Slide, words: tuple[Words, Words, Words, Words, Words], room: Box, letters: Letters
) -> Layout:
    sizes, name = [picture.size for picture in slide.pictures], letters.name * NAME
    pictures = _arrange_pictures(sizes, room, slide.pictures[0].text, name) if sizes else []
    boxes = [Box(box.left, round(box.top - name, 2), box.width, round(name, 2)) for box in pictures]
    names = [Words(one.name, box, letters.name) for one, box in zip(slide.pictures, boxes, strict=True)]
    number = Words("", NUMBER, letters.number)
    return Layout(*words, pictures, names if len(names) > 1 else [], number)


def fit_words(text: str, box: Box, size: float, most: int, *, bold: bool = False) -> Words:
    """A text in as many lines as it takes, at most `most`: what does not fit is cut with …"""
    letters = size * (BOLD if bold else 1)
    shown = _break_lines(text, letters, box.width)
    if len(shown) > most:
        text = "".join(shown[:most]).rstrip()
        while len(_break_lines(f"{text}…", letters, box.width)) > most:
            text = text[:-1].rstrip()
        text += "…"
    height = min(len(shown), most) * size * LEADING
    return Words(text, Box(box.left, box.top, box.width, round(height, 2)), size)


def _below(sentence: Words, remark: str, width: float, most: int) -> Words:
    """A remark under what to see, and of its size; where there is none, no room is taken."""
    top = _find_bottom(sentence) + (REMARK if remark else 0)
    return fit_words(remark, Box(SIDE, top, width, 0), sentence.size, most)


def _at_the_foot(text: str, left: float, width: float, most: int) -> Words:
    words = fit_words(text, Box(left, 0, width, 0), 10.5, most)
    top = HEIGHT - BOTTOM - words.box.height
    return Words(words.text, Box(left, round(top, 2), width, words.box.height), words.size)


def _find_bottom(words: Words) -> float:
    return words.box.top + words.box.height


_WIDE = r"\u2e80-\u9fff\uac00-\ud7af\uff00-\uffef"
_WORDS = re.compile(rf"[{_WIDE}]|[^\s{_WIDE}-]*-+\s*|[^\s{_WIDE}-]+\s*|\s+|.")
"""What stays on one line: lines break after hyphens too, and between characters of East Asia."""


def _break_lines(text: str, size: float, width: float) -> list[str]:
    """The lines of a text, each with the space it ends in.

    An upper estimate of how many they are: nothing here knows the typeface that a reader's PowerPoint has.
    """
    found, taken = [""], 0.0
    for word in _WORDS.findall(text):
        long = sum(_width(character) for character in word.rstrip()) * size
        if found[-1] and taken + long > width:
            found.append("")
            taken = 0.0
        found[-1] += word
        taken += sum(_width(character) for character in word) * size
        while taken > width and long > width:  # a word wider than the line goes on in the next
            found.append("")
            taken -= width
            long -= width
    return found if text else []


def _width(character: str) -> float:
    """Of a character, in parts of the letters' size."""
    if unicodedata.east_asian_width(character) in "WF":
        return 1.0
    if unicodedata.category(character) in ("Mn", "Cf"):
        return 0.0
    return 0.7 if character.isupper() else 0.33 if character in " .,:;'|il!()[]" else 0.61


def _arrange_pictures(sizes: Sequence[Size], room: Box, text: float, name: float) -> list[Box]:
    """All at one scale, side by side or below each other, whichever is larger, in the middle of the room; `name` is the
    height of what stands above each of several.
    """
    scale, across = _scale(sizes, room, text, name), _prefers_row(sizes, room, text, name)
    above = name if len(sizes) > 1 else 0
    taken = sum(width for width, _ in sizes) * scale + GAP * (len(sizes) - 1) if across else 0
    boxes, left, top = [], room.left + max(room.width - taken, 0) / 2 * across, room.top
    for width, height in sizes:
        start = left if across else room.left + (room.width - width * scale) / 2
        boxes.append(Box(*(round(n, 2) for n in (start, top + above, width * scale, height * scale))))
        if across:
            left += width * scale + GAP
        else:
            top += height * scale + above + GAP / 2
    return boxes


def _scale(sizes: Sequence[Size], room: Box, text: float, name: float) -> float:
    return min(max(_in_a_row(sizes, room, name), _in_a_column(sizes, room, name)), MOST_TEXT / text)


def _prefers_row(sizes: Sequence[Size], room: Box, text: float, name: float) -> bool:
    return _in_a_row(sizes, room, name) >= min(_in_a_column(sizes, room, name), MOST_TEXT / text)


def _in_a_row(sizes: Sequence[Size], room: Box, name: float) -> float:
    above = name if len(sizes) > 1 else 0
    wide = (room.width - GAP * (len(sizes) - 1)) / sum(width for width, _ in sizes)
    return min(wide, (room.height - above) / max(height for _, height in sizes))


def _in_a_column(sizes: Sequence[Size], room: Box, name: float) -> float:
    above = name if len(sizes) > 1 else 0
    high = (room.height - above * len(sizes) - GAP / 2 * (len(sizes) - 1)) / sum(height for _, height in sizes)
    return min(high, room.width / max(width for width, _ in sizes))


def _measure_picture(made: Layout) -> float:
    return made.pictures[0].width


def _mirror_words(words: Words) -> Words:
    return Words(words.text, _mirror_box(words.box), words.size)


def _mirror_box(box: Box) -> Box:
    """The same place seen from the side where reading begins."""
    left = WIDTH - box.left - box.width if direction(get_language()) == "rtl" else box.left
    return Box(round(left, 2), box.top, box.width, box.height)
