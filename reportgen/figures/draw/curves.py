"""Thin lines over layers or steps, named where they end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon
from numpy.typing import NDArray

from reportgen.figures.describe import Curve, Curves
from reportgen.figures.draw.canvas import Box, Canvas
from reportgen.figures.draw.direct_labels import spread_labels
from reportgen.figures.draw.lettering import LINE
from reportgen.figures.draw.look import Look
from reportgen.figures.draw.scales import choose_fitting_ticks, choose_ticks, find_extent, write_ticks
from reportgen.figures.remarks import tell_constant, tell_flat, tell_flat_within
from reportgen.look.model_styles import ModelStyle

HEIGHT = 190.0
LEAST_WIDTH = 60.0
"""Points across of a plot that can still be looked at: with longer names a figure is wider than asked."""
MOST_LABELS = 6
"""Curves that are each named; where there are more, their groups are."""
SAMPLE = 18.0
"""Points of line drawn before a name."""
LEADER = 12.0
LABEL = 120.0
DOTTED = (1.0, 2.0)
FLAT = 0.2
"""Share of the axis below which a curve looks like a straight line."""
TICKS, FEW_TICKS = 8, 3
"""About as many as a horizontal axis has, and that of a thumbnail."""


@dataclass(frozen=True)
class _LineLabel:
    """A label, the line it is about, and whether it stands at that line's end (else: for a group of lines)."""

    text: str
    style: ModelStyle
    end: tuple[float, float] | None
    faint: bool = False


def paint_curves(curves: Curves, look: Look) -> Canvas:
    """The vertical axis is named above it. Each line's name stands at its end, with a sample of the line."""
    lettering, width = look.lettering, look.width * (2 if curves.wide else 1)
    reference = ModelStyle(look.theme.muted, DOTTED, "o")
    looks = _looks(curves.curves, look)
    across = curves.x_range or find_extent(x for curve in curves.curves for x in curve.x)
    upwards = _height_range(curves)
    names = [
        _LineLabel(lettering.shorten(name.text, LABEL * (1.5 if curves.wide else 1)), name.style, name.end, name.faint)
        for name in _names(curves.curves, looks) + _reference_names(curves.references, across[1], reference)
    ]
    marks = choose_ticks(*upwards)
    numbers = write_ticks(marks)
    heading = lettering.break_lines(curves.y_label, width)
    told = lettering.break_lines(_tell_flat(curves.curves, upwards), width)
    below = lettering.break_lines(curves.x_label, width)
    left, top = max(map(lettering.width, numbers), default=0) + 6, len([*heading, *told]) * LINE + 10
    behind = max((lettering.width(name.text) + LEADER + SAMPLE + 5 for name in names), default=8)
    right = max(width - behind, left + LEAST_WIDTH)
    foot = (1 + len(below)) * LINE + 6
    bottom = top + max(look.room_below(top + foot, usual=HEIGHT * look.tall), len(names) * LINE)
    canvas = Canvas(right + behind, bottom + foot, look)
    plot = _Plot(canvas, (left, top, right, bottom), across, upwards)
    canvas.frame(plot.box, x=list(map(float, across)), y=list(map(float, upwards)))
    for at, line in enumerate([*heading, *told]):
        canvas.write(0, (at + 0.5) * LINE, line, colour=None if at < len(heading) else look.theme.muted)
    whole = all(float(x).is_integer() for curve in curves.curves for x in curve.x)
    most = TICKS if look.wide > 0.5 else FEW_TICKS
    plot.grid(marks, numbers, choose_fitting_ticks(*across, right - left, lettering.width, most, whole=whole))
    for at, line in enumerate(below):
        half = lettering.width(line) / 2
        middle = min(max((left + right) / 2, half), width - half)
        canvas.write(middle, bottom + (at + 1.5) * LINE + 4, line, across="center")
    for value in curves.references.values():
        plot.line(np.array(across), np.array([value, value]), reference, width=0.8)
    for curve, own in sorted(zip(curves.curves, looks, strict=True), key=lambda pair: not pair[0].faint):
        plot.curve(curve, own)
    plot.names(names)
    return canvas


def _height_range(curves: Curves) -> tuple[float, float]:
    references = list(curves.references.values())
    if curves.y_range is not None:
        return find_extent([*curves.y_range, *references], margin=0.02)
    edges = [edge for curve in curves.curves if curve.band is not None for edge in curve.band]
    return find_extent(
        (y for ys in (*(curve.y for curve in curves.curves), *edges, references) for y in ys), margin=0.04
    )


def _tell_flat(curves: Sequence[Curve], ends: tuple[float, float]) -> str:
    """That no curve goes through as much of the axis as is seen at a glance; empty where one does."""
    low, high = ends
    shown = [values for curve in curves if (values := _finite(curve.y)).size > 1]
    most = max((float(np.ptp(np.clip(values, low, high))) for values in shown), default=high - low)
    if most >= FLAT * (high - low):
        return ""
    if any(values.min() < low or values.max() > high for values in shown):
        return tell_flat_within(most)  # what the axis cuts off is not flat
    return tell_constant() if most == 0 else tell_flat(most)


def _finite(values: Sequence[float]) -> NDArray[np.float64]:
    numbers = np.asarray(values, dtype=float)
    finite: NDArray[np.float64] = numbers[np.isfinite(numbers)]
    return finite


def _looks(curves: Sequence[Curve], look: Look) -> list[ModelStyle]:
    own = look.groups([_kind(curve) for curve in curves if curve.model is None])
    return [own[_kind(curve)] if curve.model is None else look.models[curve.model] for curve in curves]


def _kind(curve: Curve) -> str:
    return curve.group or curve.model or curve.label


def _names(curves: Sequence[Curve], looks: Sequence[ModelStyle]) -> list[_LineLabel]:
    """Each curve by its label, and faint ones by their group; every one by its group where they are many."""
    pairs = list(zip(curves, looks, strict=True))
    strong = [(curve, look) for curve, look in pairs if not curve.faint]
    if 0 < len(strong) <= MOST_LABELS:
        kinds = {_kind(curve) for curve, _ in strong}
        faint = {_kind(curve): look for curve, look in pairs if curve.faint and _kind(curve) not in kinds}
        direct = [_LineLabel(curve.label, look, _end(curve)) for curve, look in strong]
        if len(faint) + len(direct) <= 2 * MOST_LABELS:
            return direct + [_LineLabel(kind, look, None, faint=True) for kind, look in faint.items()]
        return direct
    return [_LineLabel(kind, look, None) for kind, look in {_kind(curve): look for curve, look in pairs}.items()]


def _reference_names(references: Mapping[str, float], x_end: float, style: ModelStyle) -> list[_LineLabel]:
    return [_LineLabel(name, style, (x_end, value)) for name, value in references.items()]


def _end(curve: Curve) -> tuple[float, float] | None:
    known = [(float(x), float(y)) for x, y in zip(curve.x, curve.y, strict=True) if np.isfinite(y)]
    return known[-1] if known else None


def _weight(faint: bool) -> float:
    """Points of a line."""
    return 0.8 if faint else 1.3


def _strength(faint: bool) -> float:
    return 0.4 if faint else 1.0


class _Plot:
    """A field of the canvas with a scale across and one upwards."""

    def __init__(self, canvas: Canvas, box: Box, across: tuple[float, float], upwards: tuple[float, float]) -> None:
        self.canvas, self.box, self.theme = canvas, box, canvas.theme
        self.across, self.upwards = across, upwards

    def x(self, value: Any) -> Any:
        """Where on the plane a number of the horizontal axis stands."""
        left, _, right, _ = self.box
        low, high = self.across
        return left + (np.asarray(value, dtype=float) - low) / ((high - low) or 1) * (right - left)

    def y(self, value: Any) -> Any:
        """Where on the plane a number of the vertical axis stands."""
        _, top, _, bottom = self.box
        low, high = self.upwards
        return bottom - (np.asarray(value, dtype=float) - low) / ((high - low) or 1) * (bottom - top)

    def grid(self, marks: Sequence[float], numbers: Sequence[str], x_marks: Sequence[float]) -> None:
        """Faint lines at the marks of the vertical axis, numbers on both."""
        left, _, right, bottom = self.box
        self.canvas.lines([((left, float(self.y(m))), (right, float(self.y(m)))) for m in marks], self.theme.faint, 0.5)
        uprights = [((float(self.x(m)), bottom), (float(self.x(m)), bottom + 3)) for m in x_marks]
        self.canvas.lines(uprights, self.theme.muted, 0.5)
        for mark, text in zip(marks, numbers, strict=True):
            self.canvas.write(left - 4, float(self.y(mark)), text, colour=self.theme.muted, across="right")
        for mark, text in zip(x_marks, write_ticks(x_marks), strict=True):
            self.canvas.write(float(self.x(mark)), bottom + LINE - 2, text, colour=self.theme.muted, across="center")

    def curve(self, curve: Curve, look: ModelStyle) -> None:
        """The line, below it its band."""
        x, y = np.asarray(curve.x, dtype=float), np.asarray(curve.y, dtype=float)
        if curve.band is not None:
            lower, upper = (np.asarray(edge, dtype=float) for edge in curve.band)
            known = np.isfinite(lower) & np.isfinite(upper)
            edge = np.concatenate([lower[known], upper[known][::-1]])
            corners = np.stack([self.x(np.concatenate([x[known], x[known][::-1]])), self.y(edge)], axis=1)
            if len(corners):
                self._add(Polygon(corners, closed=True, facecolor=look.colour, alpha=0.12, linewidth=0))
        self.line(x, y, look, width=_weight(curve.faint), alpha=_strength(curve.faint))

    def line(
        self, x: NDArray[np.float64], y: NDArray[np.float64], look: ModelStyle, *, width: float, alpha: float = 1.0
    ) -> None:
        """A line with gaps where y is not finite; a point that has no neighbours is a dot."""
        known = np.concatenate([[False], np.isfinite(y), [False]])
        alone = (known[1:-1] & ~known[:-2] & ~known[2:]).nonzero()[0].tolist()
        self._add(Line2D(
            self.x(x), self.y(np.where(known[1:-1], y, np.nan)), color=look.colour, linewidth=width * self.theme.lines,
            alpha=alpha,
            linestyle=(0, look.dash) if look.dash else "-",
            marker=look.marker, markersize=4 * self.theme.lines, markeredgewidth=0, markevery=alone,
        ))  # fmt: skip

    def _add(self, artist: Any) -> None:
        left, top, right, bottom = self.box
        self.canvas.plane.add_artist(artist)
        # A point at the very edge of a given range keeps the whole width of its line.
        artist.set_clip_path(self.canvas.clip((left - 2, top - 2, right + 2, bottom + 2)))

    def names(self, names: Sequence[_LineLabel]) -> None:
        """The names in one column behind the plot, each level with its line's end or led to it; groups on top."""
        _, top, right, bottom = self.box
        ends = [(right, top) if n.end is None else (float(self.x(n.end[0])), float(self.y(n.end[1]))) for n in names]
        places = spread_labels([y for _, y in ends], LINE, top, bottom)
        for name, (x, y), place in zip(names, ends, places, strict=True):
            if name.end is not None and abs(place - y) + (right - x) > 1:
                self.canvas.lines([((x + 1, y), (right + LEADER - 1, place))], self.theme.muted, 0.35)
            sample = right + LEADER
            self.canvas.plane.add_line(Line2D(
                [sample, sample + SAMPLE], [place, place], color=name.style.colour,
                linewidth=_weight(name.faint) * self.theme.lines, alpha=_strength(name.faint),
                linestyle=(0, name.style.dash) if name.style.dash else "-",
            ))  # fmt: skip
            self.canvas.write(sample + SAMPLE + 4, place, name.text)
