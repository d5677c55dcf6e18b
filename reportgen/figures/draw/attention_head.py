"""One attention head, large, with its tokens on both axes."""

from collections.abc import Collection, Sequence

import numpy as np

from reportgen.figures.describe import AttentionHead
from reportgen.figures.draw.canvas import Canvas
from reportgen.figures.draw.colour_key import colour_key, colour_key_width
from reportgen.figures.draw.head_mosaic import mask_future_keys
from reportgen.figures.draw.lettering import LINE, Lettering
from reportgen.figures.draw.look import Look
from reportgen.figures.draw.scales import choose_labelled
from reportgen.text.characters import mark_space

SIDE = 330.0
LARGEST_CELL = 24.0
BESIDE = 1.3
"""Height of what stands beside words on a slide, by that of what stands below them."""
LABEL = 80.0
NEEDED = 10.0
"""Points from one token to the next at which both can be read."""


def paint_attention_head(head: AttentionHead, look: Look) -> Canvas:
    """Queries downwards, keys to the right; what the mask forbids is empty."""
    lettering = look.lettering
    pattern = mask_future_keys(np.asarray(head.pattern, dtype=np.float64))
    queries, keys = pattern.shape
    side, largest = SIDE * look.tall, max(LARGEST_CELL * look.tall, LINE + 1)
    rows, columns = _labels(head.queries, lettering), _labels(head.keys, lettering)
    left = _measure_widest(rows, lettering) + 5
    top = LINE + 4 + _measure_widest(columns, lettering) + 5
    # On a slide, words stand next to what is as wide as high: that leaves more height than they do above it.
    room = look.room_below(top + 20) if look.theme.exact else look.room_below((top + 20) / BESIDE) * BESIDE
    side = min(side, room)
    cell = min(largest, side / max(queries, keys))
    width, height = keys * cell, queries * cell
    key = left + colour_key_width(lettering.width, ends=(0, 1), label=head.value_label)
    canvas = Canvas(max(left + width, key, lettering.width(head.axes)) + 8, top + height + 20, look)
    canvas.write(0, LINE / 2, head.axes, colour=canvas.theme.muted)
    for at in _choose_written(queries, height, {query for query, _ in head.marked}):
        canvas.write(left - 4, top + (at + 0.5) * cell, rows[at], mono=True, across="right")
    for at in _choose_written(keys, width, {key for _, key in head.marked}):
        canvas.write(left + (at + 0.5) * cell, top - 4, columns[at], mono=True, rotation=90)
    box = (left, top, left + width, top + height)
    canvas.frame(box, rows=queries, columns=keys)
    canvas.cells(box, look.sequential(pattern), gap=0.5 if cell > 8 else 0)
    corners = [(left + key_at * cell, top + query * cell) for query, key_at in head.marked]
    canvas.outlines([(x + 0.9, y + 0.9, x + cell - 0.9, y + cell - 0.9) for x, y in corners], canvas.theme.outline)
    colour_key(canvas, left, top + height + 12, look.sequential, ends=(0, 1), label=head.value_label)
    return canvas


def _choose_written(count: int, room: float, marked: Collection[int]) -> list[int]:
    """The tokens that are written on an axis: those of marked cells, and of the others those that leave them room."""
    usual = choose_labelled(count, room, NEEDED)
    apart = NEEDED * count / room if room else 0.0
    return sorted({*marked, *(at for at in usual if all(at == one or abs(at - one) >= apart for one in marked))})


def _labels(tokens: Sequence[str], lettering: Lettering) -> list[str]:
    return [lettering.shorten(mark_space(token), LABEL, mono=True) for token in tokens]


def _measure_widest(labels: Sequence[str], lettering: Lettering) -> float:
    return max(lettering.width(label, mono=True) for label in labels)
