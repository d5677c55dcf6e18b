"""Small multiples of labelled points."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reportgen.figures.describe import Maps, Panel
from reportgen.figures.draw.canvas import MOST_PATHS, Box, Canvas
from reportgen.figures.draw.group_key import SWATCH, key_entries, key_height
from reportgen.figures.draw.lettering import HEAD, LINE, SIZE
from reportgen.figures.draw.look import LEAST, Look
from reportgen.figures.draw.point_labels import LabelSpot, place_labels
from reportgen.figures.draw.scales import find_extent
from reportgen.figures.remarks import tell_unnamed
from reportgen.look.legible import make_legible
from reportgen.look.model_styles import ModelStyle

GUTTER = 12.0
BETWEEN = 2 * LINE + GUTTER
"""Points between two panels one above the other."""
MARGIN, BARE_MARGIN = 14.0, 6.0
"""Points between a panel's frame and its outermost point: names need more."""
LABEL = 60.0
FEW = 12
"""Items up to which three panels stand side by side: more of them need wider panels."""
BARE = 4
"""Panels side by side whose points have no names."""
WIDEST, USUAL, TALLEST = 0.4, 0.5, 0.75
"""Height of a panel by its width: the least where its ranges are given, such as those of a map of the world, the least
of others, and the most."""
MOST_LED = 60
"""Items up to which a line leads to a label that has no room next to its point: more lines would be a thicket."""


def paint_maps(maps: Maps, look: Look) -> Canvas:
    """Panels from left to right, then downwards. Within a panel both axes have one scale, so distances are true."""
    looks = look.groups(maps.groups)
    entries = key_entries([group for group in looks if group], look)
    top = key_height(entries)
    across = min(_choose_most_across(maps, top, look), max(len(maps.panels), 1))
    down = -(-len(maps.panels) // across)
    width, height = _measure_panel(maps, across, top, look)
    step = height + BETWEEN
    placed = []
    for at, panel in enumerate(maps.panels):
        left = LINE + (at % across) * (width + LINE + GUTTER)
        upper = top + (at // across) * step + LINE
        placed.append(_place_panel(panel, maps.labels, (left, upper, left + width, upper + height), look))
    told = _tell_unnamed(placed, look)
    bottom = top + down * step - GUTTER + 4
    wide = max(look.width, across * (width + LINE + GUTTER) - GUTTER)
    canvas = Canvas(wide, bottom + len(told) * LINE, look)
    for entry in entries:
        own = looks[entry.name]
        size = 16 * look.theme.lines
        canvas.plane.scatter([entry.x + 4], [entry.y], s=size, c=own.colour, marker=own.marker, linewidths=0)
        canvas.write(entry.x + SWATCH, entry.y, entry.text)
    for at, one in enumerate(placed):
        x, y = one.scale.find_x_range(one.box), one.scale.find_y_range(one.box)
        canvas.frame(one.box, panel=at, name=make_legible(one.panel.title), x=x, y=y)
        _paint_panel(canvas, one, maps.groups, looks)
    for at, line in enumerate(told):
        canvas.write(0, bottom + (at + 0.5) * LINE, line, colour=canvas.theme.muted)
    return canvas


def _choose_most_across(maps: Maps, top: float, look: Look) -> int:
    if maps.panels and all(_is_fixed(panel) for panel in maps.panels):
        return max((1, 2), key=lambda across: _measure_panel(maps, across, top, look)[1])
    if not any(maps.labels):
        return BARE
    return 2 if len(maps.labels) > FEW else 3


def _measure_panel(maps: Maps, across: int, top: float, look: Look) -> tuple[float, float]:
    """Width and height of each panel where so many stand side by side below a key that ends at `top`."""
    width = max((look.width - (across - 1) * GUTTER) / across - LINE, LEAST)
    down = -(-len(maps.panels) // across)
    room = look.room_below(top + down * BETWEEN - GUTTER + 4, least=down * LEAST) / down
    return width, min(width * _measure_tallest(maps.panels), room)


def _is_fixed(panel: Panel) -> bool:
    """Whether the panel shows what it is told, wherever its points lie."""
    return panel.x_range is not None and panel.y_range is not None


def _measure_tallest(panels: Sequence[Panel]) -> float:
    """Height of the panels by their width: what the tallest map needs, within reason."""
    shapes = []
    for panel in panels:
        x, y = _find_ranges(panel)
        shapes.append(max((y[1] - y[0]) / (x[1] - x[0]), WIDEST if _is_fixed(panel) else USUAL))
    return min(max(shapes, default=TALLEST), TALLEST)


def _find_ranges(panel: Panel) -> tuple[tuple[float, float], tuple[float, float]]:
    """What a panel shows along x and along y."""
    points = np.asarray(panel.points, dtype=float)
    return panel.x_range or find_extent(points[:, 0]), panel.y_range or find_extent(points[:, 1])


@dataclass(frozen=True)
class _PlacedPanel:
    """A panel in its box, its points on the plane, and the names next to them."""

    panel: Panel
    box: Box
    scale: "_Scale"
    places: NDArray[np.float64]
    names: Sequence[tuple[str, LabelSpot | None]]
    """Of the points that have one; without a spot where none is free."""


def _place_panel(panel: Panel, labels: Sequence[str], box: Box, look: Look) -> _PlacedPanel:
    points = np.asarray(panel.points, dtype=float)
    margin = 0.0 if _is_fixed(panel) else MARGIN if any(labels) else BARE_MARGIN
    scale = _scale(*_find_ranges(panel), box, margin)
    places = scale.places(points)
    known = [i for i in range(len(labels)) if labels[i] and np.isfinite(places[i]).all()]
    texts = [look.lettering.shorten(make_legible(labels[i]), LABEL) for i in known]
    sizes = [(look.lettering.width(text), SIZE) for text in texts]
    bare = np.array([i for i in range(len(places)) if i not in set(known) and np.isfinite(places[i]).all()], dtype=int)
    spots = place_labels(places[known], sizes, box, led=len(known) <= MOST_LED, others=places[bare])
    return _PlacedPanel(panel, box, scale, places, list(zip(texts, spots, strict=True)))


def _tell_unnamed(panels: Sequence[_PlacedPanel], look: Look) -> list[str]:
    """The lines that say that some points have no name, where it is so."""
    if all(spot for one in panels for _, spot in one.names):
        return []
    return look.lettering.break_lines(tell_unnamed(), look.width)


def _paint_panel(canvas: Canvas, one: _PlacedPanel, groups: Sequence[str], looks: Mapping[str, ModelStyle]) -> None:
    left, top, right, bottom = one.box
    panel, lettering = one.panel, canvas.lettering
    canvas.write(left, top - LINE / 2 - 1, lettering.shorten(panel.title, right - left, size=HEAD), size=HEAD)
    canvas.write((left + right) / 2, bottom + LINE / 2 + 1, lettering.shorten(panel.x_label, right - left),
                 colour=canvas.theme.muted, across="center")  # fmt: skip
    canvas.write(left - LINE / 2, (top + bottom) / 2, lettering.shorten(panel.y_label, bottom - top),
                 colour=canvas.theme.muted, across="center", rotation=90)  # fmt: skip
    canvas.outlines([one.box], canvas.theme.faint, 0.6)
    _paint_lines(canvas, one)
    kinds = np.array(groups, dtype=object)
    for group, look in looks.items():
        members = one.places[kinds == group]
        canvas.plane.scatter(
            members[:, 0], members[:, 1], s=12 * canvas.theme.lines, c=look.colour, marker=look.marker, linewidths=0,
            rasterized=len(one.places) > MOST_PATHS,
        )  # fmt: skip
    spots = [(text, spot) for text, spot in one.names if spot is not None]
    canvas.lines([spot.leader for _, spot in spots if spot.leader], canvas.theme.muted, 0.35)
    for text, spot in spots:
        canvas.write(spot.left, spot.middle, text)


def _paint_lines(canvas: Canvas, one: _PlacedPanel) -> None:
    """What lies below the points: a backdrop, and what joins them."""
    placed = [one.scale.places(np.asarray(line, dtype=float)) for line in one.panel.backdrop]
    coasts = [part for line in placed for part in _cut_to_box(line, one.box)]
    if coasts:
        canvas.lines(coasts, canvas.theme.muted, 0.3)
    ends = [one.places[[first, second]] for first, second in one.panel.edges]
    if joined := [both for both in ends if np.isfinite(both).all()]:
        canvas.lines(joined, canvas.theme.muted, 0.5)


def _cut_to_box(line: NDArray[np.float64], box: Box) -> list[NDArray[np.float64]]:
    """The parts of a line whose vertices lie within a box."""
    left, top, right, bottom = box
    x, y = line[:, 0], line[:, 1]
    within = (x >= left - 0.01) & (x <= right + 0.01) & (y >= top - 0.01) & (y <= bottom + 0.01)
    turns = np.flatnonzero(np.diff(within)) + 1
    parts = zip(np.split(line, turns), np.split(within, turns), strict=True)
    return [part for part, inside in parts if inside[0] and len(part) > 1]


@dataclass(frozen=True)
class _Scale:
    """One scale for both axes of a panel: points on the plane a unit, and the numbers in the panel's middle."""

    unit: float
    middle: tuple[float, float]
    """The numbers that stand at `centre`."""
    centre: tuple[float, float]

    def places(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(item x 2) -> (item x 2) on the plane."""
        x = self.centre[0] + (points[:, 0] - self.middle[0]) * self.unit
        y = self.centre[1] - (points[:, 1] - self.middle[1]) * self.unit
        return np.stack([x, y], axis=1)

    def find_x_range(self, box: Box) -> list[float]:
        """The numbers at the left and the right edge."""
        return [self.middle[0] + (edge - self.centre[0]) / self.unit for edge in (box[0], box[2])]

    def find_y_range(self, box: Box) -> list[float]:
        """The numbers at the lower and the upper edge."""
        return [self.middle[1] - (edge - self.centre[1]) / self.unit for edge in (box[3], box[1])]


def _scale(x: tuple[float, float], y: tuple[float, float], box: Box, margin: float) -> _Scale:
    """That which lets what a panel shows stand within the box, centred."""
    left, top, right, bottom = box
    (x_low, x_high), (y_low, y_high) = x, y
    unit = min((right - left - 2 * margin) / (x_high - x_low), (bottom - top - 2 * margin) / (y_high - y_low))
    return _Scale(unit, ((x_low + x_high) / 2, (y_low + y_high) / 2), ((left + right) / 2, (top + bottom) / 2))
