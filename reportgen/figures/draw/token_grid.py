"""Tokens in a grid, each on the colour of its value."""

from collections.abc import Sequence

import numpy as np

from reportgen.figures.describe import TokenGrid
from reportgen.figures.draw.canvas import Box, Canvas
from reportgen.figures.draw.colour_key import Colours, colour_key, colour_key_width
from reportgen.figures.draw.lettering import LINE, Lettering
from reportgen.figures.draw.look import Look
from reportgen.figures.split import sample_rows
from reportgen.look.legible import make_legible
from reportgen.look.model_styles import choose_text_colour
from reportgen.text.characters import mark_space

ROW = 13.0
NARROWEST, WIDEST = 30.0, 54.0
LEAST_CELL = 14.0
"""Points across in which a letter can be read: of more columns than have so much, a grid is wider than asked."""
STILL_READ = 40.0
"""Points to which cells give way to the labels of rows: seven letters."""
LONGEST_ROW_LABEL = 150.0
"""Where cells leave so much room; else a row's label gets what a cell gets at most."""
PADDING = 6.0
MOST_CHARACTERS = 40
"""More than fit the widest cell, however narrow they are."""
ENDS = {"sequential": (0.0, 1.0), "diverging": (-1.0, 1.0)}
"""What the colours of a scale go from and to."""


def paint_token_grid(grid: TokenGrid, look: Look) -> Canvas:
    """Rows downwards as the description orders them; both axes are named in the first line, the colours in the last."""
    lettering = look.lettering
    if grid.sampleable and look.theme.exact:
        grid = sample_rows(grid, int(look.room_below(2 * LINE + 2 + 20 + 2 * LINE, least=2 * ROW) / ROW))
    texts = [[mark_space(text) for text in row] for row in grid.texts]
    columns = [mark_space(column) for column in grid.columns]
    wanted = _cell_width([columns, *texts], lettering)
    room = min(LONGEST_ROW_LABEL, look.widest - min(wanted, STILL_READ) * len(columns) - 5)
    rows = [lettering.shorten(row, max(WIDEST, room)) for row in grid.rows]
    left = max((lettering.width(row) for row in rows), default=0) + 5
    cell = max(min(wanted, (look.widest - left - 2) / max(len(columns), 1)), LEAST_CELL)
    heads = _write_heads(columns, cell - 3, lettering)
    most = max(map(len, heads), default=1)
    top = (1 + most) * LINE + 2
    height, width = len(rows) * ROW, len(grid.columns) * cell
    axes = f"↓ {make_legible(grid.row_label)} · → {make_legible(grid.column_label)}"
    label, outline = make_legible(grid.value_label), make_legible(grid.outline_label)
    key = left + colour_key_width(lettering.width, ends=ENDS[grid.scale], label=label)
    behind = key + (lettering.width(outline) + 40 if outline else 0)
    below = bool(outline) and behind > look.widest - 2
    across = max(left + width, lettering.width(axes), key if below else behind)
    canvas = Canvas(across + 2, top + height + 20 + (LINE if below else 0), look)

    canvas.write(0, LINE / 2, axes, colour=canvas.theme.muted)
    for at, lines in enumerate(heads):
        for line, shown in enumerate(lines, most - len(lines)):
            canvas.write(left + (at + 0.5) * cell, (1.5 + line) * LINE, shown, mono=True, across="center")
    for at, row in enumerate(rows):
        canvas.write(left - 4, top + (at + 0.5) * ROW, row, colour=canvas.theme.muted, across="right")
    canvas.frame((left, top, left + width, top + height), rows=len(rows), columns=len(columns))
    if rows and grid.columns:
        _fill(canvas, grid, texts, (left, top, left + width, top + height))
    ends, colours = ENDS[grid.scale], _choose_colours(grid, look)
    end = colour_key(canvas, left, top + height + 12, colours, ends=ends, label=label, positions=ends)
    if outline:
        x, y = (left, top + height + 12 + LINE) if below else (end + 14, top + height + 12)
        canvas.outlines([(x, y - 4, x + 12, y + 4)], look.theme.outline)
        canvas.write(x + 17, y, outline, colour=canvas.theme.muted)
    return canvas


def _write_heads(columns: Sequence[str], room: float, lettering: Lettering) -> list[list[str]]:
    """The lines above each column: of two tokens (river/city) that have no room on one line, one each."""
    heads = []
    for column, shown in zip(columns, _shorten_apart(columns, room, lettering), strict=True):
        one, slash, other = column.partition("/")
        if slash and one.strip("␣") and other and lettering.width(make_legible(column), mono=True) > room:
            heads.append([lettering.shorten(text, room, mono=True) for text in (one + slash, other)])
        else:
            heads.append([shown])
    return heads


def _shorten_apart(columns: Sequence[str], room: float, lettering: Lettering) -> list[str]:
    """The columns' texts in their room; of those that would be cut to the same, what they have in common goes first."""
    cut = [lettering.shorten(column, room, mono=True) for column in columns]
    places: dict[str, list[int]] = {}
    for at, one in enumerate(cut):
        places.setdefault(one, []).append(at)
    for alike in places.values():
        texts = [columns[at] for at in alike]
        if len({*texts}) == 1:
            continue
        first, last = min(texts), max(texts)  # between them lie all others
        same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
        # The word in which they differ stays whole.
        start = max(first.rfind(" ", 0, same), first.rfind("␣", 0, same), 0)
        for at in alike:
            cut[at] = lettering.shorten(f"…{columns[at][start:]}", room, mono=True)
    return cut


def _cell_width(texts: Sequence[Sequence[str]], lettering: Lettering) -> float:
    different = {text[:MOST_CHARACTERS] for row in texts for text in row}
    widest = max((lettering.width(make_legible(text), mono=True) for text in different), default=0.0)
    return float(np.clip(widest + PADDING, NARROWEST, WIDEST))


def _choose_colours(grid: TokenGrid, look: Look) -> Colours:
    return look.diverging if grid.scale == "diverging" else look.sequential


def _fill(canvas: Canvas, grid: TokenGrid, texts: list[list[str]], box: Box) -> None:
    left, top, right, _ = box
    cell = (right - left) / len(grid.columns)
    colours = _choose_colours(grid, canvas.look)(grid.values)
    canvas.cells(box, colours, gap=1.0)
    outlined = []
    for (row, column), value in np.ndenumerate(grid.values):
        if np.isnan(value):
            continue
        x, y = left + column * cell, top + row * ROW
        shown = canvas.lettering.shorten(texts[row][column], cell - 3, mono=True)
        ink = choose_text_colour(colours[row, column].tolist())
        canvas.write(x + cell / 2, y + ROW / 2, shown, mono=True, across="center", colour=ink)
        if grid.outlined[row, column]:
            outlined.append((x + 0.9, y + 0.9, x + cell - 0.9, y + ROW - 0.9))
    canvas.outlines(outlined, canvas.theme.outline)
