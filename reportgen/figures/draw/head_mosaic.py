"""All heads of all blocks of one prompt as one picture."""

import numpy as np
from numpy.typing import NDArray

from reportgen.figures.describe import HeadMosaic
from reportgen.figures.draw.canvas import Canvas
from reportgen.figures.draw.colour_key import Colours, colour_key, colour_key_width
from reportgen.figures.draw.lettering import LINE
from reportgen.figures.draw.look import Look
from reportgen.figures.draw.scales import choose_labelled
from reportgen.look.legible import make_legible
from reportgen.text.characters import mark_space

LARGEST_TILE = 40.0
"""Points a head takes where there are few of them."""
FINEST = 64
"""Pixels a head has at most along each side: more are not seen at this size."""
MOST_PIXELS = 1600
"""Pixels the whole has at most along each side, about 300 an inch."""


def paint_head_mosaic(mosaic: HeadMosaic, look: Look) -> Canvas:
    """Blocks to the right, as in curves over layers; heads downwards. Light is 0, what the mask forbids is empty."""
    lettering = look.lettering
    full_width = mosaic.width * look.wide if mosaic.width else look.width
    blocks, heads = mosaic.patterns.shape[:2]
    pooled = _side(mosaic.patterns.shape)
    left, top = lettering.width("00") + 5, 2 * LINE + 2
    tile = min(LARGEST_TILE, (full_width - left) / blocks, look.room_below(top + 20) / heads)
    width, height = tile * blocks, tile * heads
    picture = stitch_heads(mosaic.patterns)
    pooled_label = mosaic.pooled_label.format(label=mosaic.value_label, pooled=pooled)
    label = mosaic.value_label if pooled == 1 else pooled_label
    colours, ends, scaled = _scale_picture(mosaic, picture, look)
    key = left + colour_key_width(lettering.width, ends=ends, label=label)
    canvas = Canvas(max(full_width, key), top + height + 20, look)
    canvas.write(0, LINE / 2, mosaic.axes, colour=canvas.theme.muted)
    for block in choose_labelled(blocks, width, lettering.width("00") + 4):
        number = str(mosaic.blocks[block] if mosaic.blocks else block)
        canvas.write(left + (block + 0.5) * tile, 1.5 * LINE, number, colour=canvas.theme.muted, across="center")
    for head in choose_labelled(heads, height, 10):
        canvas.write(left - 4, top + (head + 0.5) * tile, str(head), colour=canvas.theme.muted, across="right")
    box = (left, top, left + width, top + height)
    pixels = -(-mosaic.patterns.shape[2] // pooled)
    canvas.frame(
        box, rows=heads, columns=blocks, blocks=blocks, heads=heads,
        gap=round(_choose_gap(pixels) * width / picture.shape[1], 3),
        queries=[make_legible(mark_space(query)) for query in mosaic.queries],
        keys=[make_legible(mark_space(key)) for key in mosaic.keys],
        **({"numbers": list(mosaic.blocks)} if mosaic.blocks else {}),
    )  # fmt: skip
    canvas.image(box, colours(scaled))
    positions = (-1.0, 1.0) if mosaic.scale == "diverging" else (0.0, 1.0)
    colour_key(canvas, left, top + height + 12, colours, ends=ends, label=label, positions=positions)
    return canvas


def _choose_gap(pixels: int) -> int:
    """Pixels between tiles of so many."""
    return 1 + pixels // 16


def _scale_picture(
    mosaic: HeadMosaic, picture: NDArray[np.float64], look: Look
) -> tuple[Colours, tuple[float, float], NDArray[np.float64]]:
    """The colours of a picture, the numbers at their ends, and the picture as the colours take it."""
    if mosaic.scale == "sequential":
        return look.sequential, (0, 1), picture
    most = float(np.abs(picture[np.isfinite(picture)]).max(initial=0.0)) or 1.0
    return look.diverging, (-most, most), picture / most


def stitch_heads(patterns: NDArray[np.floating]) -> NDArray[np.float64]:
    """(block x head x query x key) -> one picture: head h of block b at tile row h, tile column b.

    Tiles are a pixel apart (more where they are large); gaps and keys after the query are NaN.
    Where heads would be finer than `FINEST`, or the whole than `MOST_PIXELS`, a pixel is what is furthest from 0 in
    its square, so that no sink is lost.
    """
    tiles = _pool_patterns(patterns)
    blocks, heads, queries, keys = tiles.shape
    gap = _choose_gap(queries)
    whole = np.full((heads * (queries + gap) - gap, blocks * (keys + gap) - gap), np.nan)
    seen = mask_future_keys(tiles)
    for block in range(blocks):
        for head in range(heads):
            y, x = head * (queries + gap), block * (keys + gap)
            whole[y : y + queries, x : x + keys] = seen[block, head]
    return whole


def mask_future_keys(patterns: NDArray[np.float64]) -> NDArray[np.float64]:
    """(… x query x key) with NaN where the key comes after the query."""
    queries, keys = patterns.shape[-2:]
    if queries != keys:
        return patterns
    return np.where(np.tri(queries, dtype=bool), patterns, np.nan)


def _side(shape: tuple[int, ...]) -> int:
    """How many weights become one pixel, along each side."""
    blocks, heads, queries, _ = shape
    return -(-queries // max(1, min(FINEST, MOST_PIXELS // max(blocks, heads))))


def _pool_patterns(patterns: NDArray[np.floating]) -> NDArray[np.float64]:
    side = _side(patterns.shape)
    missing = [(0, 0), (0, 0), *((0, -size % side) for size in patterns.shape[-2:])]
    padded = np.pad(patterns, missing)
    blocks, heads, queries, keys = padded.shape
    squares = padded.reshape(blocks, heads, queries // side, side, keys // side, side)
    most, least = squares.max(axis=(3, 5)), squares.min(axis=(3, 5))
    return np.asarray(np.where(most >= -least, most, least), dtype=np.float64)
