"""Small multiples of labelled points."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from reportgen.figures.describe import Maps, Panel
from reportgen.figures.draw.canvas import FULL_WIDTH, MOST_PATHS, Box, Canvas
from reportgen.figures.draw.group_key import SWATCH, key_entries, key_height
from reportgen.figures.draw.lettering import HEAD, LINE, SIZE, Lettering
from reportgen.figures.draw.point_labels import placed
from reportgen.figures.draw.scales import extent
from reportgen.figures.fonts import legible
from reportgen.figures.style import FAINT, MUTED, ModelStyle, model_styles

GUTTER = 12.0
MARGIN = 14.0
"""Points between a panel's frame and its outermost point."""
LABEL = 60.0
FEW = 12
"""Items up to which three panels stand side by side: more of them need wider panels."""
MOST_CROWDED = 60
"""Items up to which every one is labelled, even over another; beyond it only where there is room."""


def paint_maps(maps: Maps, lettering: Lettering, styles: Mapping[str, ModelStyle]) -> Canvas:
    """Panels from left to right, then downwards. Within a panel both axes have one scale, so distances are true."""
    across = min(2 if len(maps.labels) > FEW else 3, max(len(maps.panels), 1))
    width = (FULL_WIDTH - (across - 1) * GUTTER) / across - LINE
    height = width * _tallest(maps.panels)
    looks = model_styles(maps.groups)
    entries = key_entries([group for group in looks if group], lettering)
    top = key_height(entries)
    down = -(-len(maps.panels) // across)
    step = height + 2 * LINE + GUTTER
    canvas = Canvas(FULL_WIDTH, top + down * step - GUTTER + 4, lettering)
    for entry in entries:
        look = looks[entry.name]
        canvas.plane.scatter([entry.x + 4], [entry.y], s=16, c=look.colour, marker=look.marker, linewidths=0)
        canvas.write(entry.x + SWATCH, entry.y, entry.text)
    for at, panel in enumerate(maps.panels):
        left = LINE + (at % across) * (width + LINE + GUTTER)
        upper = top + (at // across) * step + LINE
        _paint_panel(canvas, panel, maps, looks, (left, upper, left + width, upper + height))
    return canvas


def _tallest(panels: Sequence[Panel]) -> float:
    """Height of the panels by their width: what the tallest map needs, within reason."""
    ranges = [[extent(points) for points in np.asarray(panel.points, dtype=float).T] for panel in panels]
    return max((min(max((y[1] - y[0]) / (x[1] - x[0]), 0.5), 0.75) for x, y in ranges), default=0.75)


def _paint_panel(canvas: Canvas, panel: Panel, maps: Maps, looks: Mapping[str, ModelStyle], box: Box) -> None:
    left, top, right, bottom = box
    lettering = canvas.lettering
    canvas.write(left, top - LINE / 2 - 1, lettering.shortened(panel.title, right - left, size=HEAD), size=HEAD)
    canvas.write((left + right) / 2, bottom + LINE / 2 + 1, lettering.shortened(panel.x_label, right - left),
                 colour=MUTED, across="center")  # fmt: skip
    canvas.write(left - LINE / 2, (top + bottom) / 2, lettering.shortened(panel.y_label, bottom - top),
                 colour=MUTED, across="center", rotation=90)  # fmt: skip
    canvas.outlines([box], FAINT, 0.6)
    places = _places(np.asarray(panel.points, dtype=float), box)
    groups = np.array(maps.groups, dtype=object)
    for group, look in looks.items():
        members = places[groups == group]
        canvas.plane.scatter(
            members[:, 0], members[:, 1], s=12, c=look.colour, marker=look.marker, linewidths=0,
            rasterized=len(places) > MOST_PATHS,
        )  # fmt: skip
    _label(canvas, maps.labels, places, box)


def _places(points: NDArray[np.float64], box: Box) -> NDArray[np.float64]:
    """(item x 2) -> (item x 2) on the plane, centred, both axes on one scale."""
    left, top, right, bottom = box
    (x_low, x_high), (y_low, y_high) = extent(points[:, 0]), extent(points[:, 1])
    scale = min((right - left - 2 * MARGIN) / (x_high - x_low), (bottom - top - 2 * MARGIN) / (y_high - y_low))
    x = (left + right) / 2 + (points[:, 0] - (x_low + x_high) / 2) * scale
    y = (top + bottom) / 2 - (points[:, 1] - (y_low + y_high) / 2) * scale
    return np.stack([x, y], axis=1)


def _label(canvas: Canvas, labels: Sequence[str], places: NDArray[np.float64], box: Box) -> None:
    known = [i for i in range(len(labels)) if labels[i] and np.isfinite(places[i]).all()]
    texts = [canvas.lettering.shortened(legible(labels[i]), LABEL) for i in known]
    sizes = [(canvas.lettering.width(text), SIZE) for text in texts]
    everyone = len(known) <= MOST_CROWDED
    for text, spot in zip(texts, placed(places[known], sizes, box, everyone=everyone), strict=True):
        if spot is not None:
            canvas.write(*spot, text)
