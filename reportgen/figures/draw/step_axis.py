"""The axis of the steps of a training, at the foot of what is drawn over it."""

from collections.abc import Iterator, Sequence

from reportgen.figures.draw.canvas import Canvas
from reportgen.figures.draw.lettering import LINE
from reportgen.figures.draw.scales import BETWEEN, choose_fitting_ticks, write_ticks
from reportgen.figures.step_scale import StepScale

LABEL = "step"


def place_runs(count: int, steps: Sequence[int]) -> list[float]:
    """Where each of `count` runs stands along its axis, from 0 to 1: by its step, or evenly where there are none."""
    if not steps:
        return [at / max(count - 1, 1) for at in range(count)]
    scale = StepScale.of(steps)
    return [scale.place(step) for step in steps]


def write_step_axis(canvas: Canvas, steps: Sequence[int], across: tuple[float, float], top: float) -> None:
    """A short mark for each checkpoint, round numbers below, and what they count at the left."""
    scale, (left, right) = StepScale.of(steps), across
    marks = [left + (right - left) * scale.place(step) for step in steps]
    canvas.lines([((x, top - 3), (x, top)) for x in marks], canvas.theme.muted, 0.5)
    canvas.write(0, top + LINE / 2 + 1, LABEL, colour=canvas.theme.muted)
    begin = canvas.lettering.width(LABEL) + BETWEEN
    for x, text in _spread_ticks(canvas, scale, across):
        half = canvas.lettering.width(text) / 2
        middle = min(x, canvas.look.width - half)
        if middle - half >= begin:
            canvas.write(middle, top + LINE / 2 + 1, text, colour=canvas.theme.muted, across="center")
            begin = middle + half + BETWEEN


def _spread_ticks(canvas: Canvas, scale: StepScale, across: tuple[float, float]) -> Iterator[tuple[float, str]]:
    """Where each number of the axis stands, and its text."""
    left, right = across
    if scale.unit:
        ticks = scale.list_powers()
    elif scale.last > scale.first:
        room = right - left
        ticks = choose_fitting_ticks(scale.first, scale.last, room, canvas.lettering.width, whole=True)
    else:
        ticks = [scale.first]
    for tick, text in zip(ticks, write_ticks(ticks), strict=True):
        yield left + (right - left) * scale.place(tick), text
