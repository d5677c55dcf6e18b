"""Ranked token lists as bars, one panel a query."""

from collections.abc import Sequence

from reportgen.figures.describe import Ranking, Rankings
from reportgen.figures.draw.canvas import Canvas
from reportgen.figures.draw.lettering import HEAD, LINE
from reportgen.figures.draw.look import Look
from reportgen.figures.draw.scales import write_alike
from reportgen.figures.split import keep_first
from reportgen.look.legible import make_legible
from reportgen.text.characters import mark_space

MOST_ACROSS = 3
GUTTER = 14.0
LABEL, LABELS_SHARE = 70.0, 0.5
"""Of a panel's width labels may take the share, or so many points where that is more."""
BAR = 8.0
WHISKER, CAP = 0.8, 4.0
"""Thickness of the line over a bar that is its interval, and the height of the strokes at both ends."""
FEWEST = 3
"""Rows of a list that are drawn at least."""
NARROWEST = 100.0
"""Points across of a panel that can still be read: where there is less room, a figure is wider than asked."""


def paint_rankings(rankings: Rankings, look: Look) -> Canvas:
    """Panels from left to right, then downwards, on one scale; the best of each list on top."""
    across = 2 if len(rankings.rankings) == 4 or _has_long_labels(rankings, look) else MOST_ACROSS
    across = min(across, max(len(rankings.rankings), 1))
    if look.theme.exact:
        down = -(-len(rankings.rankings) // across)
        room = look.room_below(LINE + 10) / max(down, 1) - GUTTER
        rankings = keep_first(rankings, max(int(room / LINE) - 1, FEWEST))
    panels = rankings.rankings
    width = max((look.width - (across - 1) * GUTTER) / across, NARROWEST)
    heights = [
        LINE * (1 + max(len(panel.labels) for panel in panels[at : at + across])) + GUTTER
        for at in range(0, len(panels), across)
    ]
    heading = look.lettering.break_lines(rankings.value_label, look.width)
    top = len(heading) * LINE + 6
    canvas = Canvas(max(look.width, across * (width + GUTTER) - GUTTER), top + sum(heights) - GUTTER + 4, look)
    for at, line in enumerate(heading):
        canvas.write(0, (at + 0.5) * LINE, line, colour=canvas.theme.muted)
    for at, panel in enumerate(panels):
        left, upper = (at % across) * (width + GUTTER), top + sum(heights[: at // across])
        canvas.frame(
            (left, upper + LINE, left + width, upper + LINE * (1 + len(panel.labels))),
            panel=at, name=make_legible(panel.title), rows=len(panel.labels),
        )  # fmt: skip
        colour = look.models[panel.model or rankings.model].colour
        _paint_ranking(canvas, panel, (left, upper, width), rankings.value_range, colour)
    return canvas


def _has_long_labels(rankings: Rankings, look: Look) -> bool:
    """Whether labels would be cut off where panels are narrowest."""
    labels = (mark_space(label) for panel in rankings.rankings for label in panel.labels)
    return any(
        look.lettering.width(look.lettering.shorten(one, 2 * LABEL, mono=True), mono=True) > LABEL for one in labels
    )


def _paint_ranking(
    canvas: Canvas, panel: Ranking, place: tuple[float, float, float], ends: tuple[float, float], colour: str
) -> None:
    left, top, width = place
    title = canvas.lettering.shorten(mark_space(panel.title), width, size=HEAD, mono=True)
    canvas.write(left, top + LINE / 2 - 2, title, size=HEAD, mono=True)
    canvas.lines([((left, top + LINE - 2), (left + width, top + LINE - 2))], canvas.theme.faint, 0.6)
    numbers = write_alike(panel.values)
    most = max(LABEL, LABELS_SHARE * width)
    labels = [canvas.lettering.shorten(mark_space(label), most, mono=True) for label in panel.labels]
    names = max((canvas.lettering.width(label, mono=True) for label in labels), default=0)
    room = width - names - 6 - max(map(canvas.lettering.width, numbers), default=0) - 4
    # Bars begin at 0, to the left or to the right, wherever the values lie.
    low, high = min(ends[0], 0.0), max(ends[1], 0.0)
    scale = room / ((high - low) or 1.0)
    zero = left + names + 6 - low * scale

    def place_value(value: float) -> float:
        return zero + min(max(value, low), high) * scale if value == value else zero

    for at, (label, value, text) in enumerate(zip(labels, panel.values, numbers, strict=True)):
        y = top + (at + 1.5) * LINE
        canvas.write(left + names, y, label, mono=True, across="right")
        end = place_value(value)
        canvas.bar((min(zero, end), y - BAR / 2, max(zero, end), y + BAR / 2), colour)
        between = [place_value(one) for one in panel.intervals[at]] if panel.intervals else []
        if between:
            _paint_interval(canvas, between, y)
        canvas.write(max(zero, end, *between) + 3, y, text, colour=canvas.theme.muted)
    if low < 0:
        rows = top + LINE, top + LINE * (1 + len(panel.labels))
        canvas.lines([((zero, rows[0]), (zero, rows[1]))], canvas.theme.muted, 0.6)


def _paint_interval(canvas: Canvas, between: Sequence[float], y: float) -> None:
    """A line from one end to the other, with a stroke at each."""
    first, last = between
    canvas.bar((first, y - WHISKER / 2, last, y + WHISKER / 2), canvas.theme.ink)
    for end in between:
        canvas.bar((end - WHISKER / 2, y - CAP / 2, end + WHISKER / 2, y + CAP / 2), canvas.theme.ink)
