"""Bars are as long as their values, from zero to either side, and intervals lie over them."""

import csv
import io
from collections.abc import Sequence

import pytest
from matplotlib.patches import Rectangle

from reportgen.figures.data import csv_of
from reportgen.figures.describe import Ranking, Rankings
from reportgen.figures.draw.lettering import Lettering
from reportgen.figures.draw.look import MARGIN, Look
from reportgen.figures.draw.rankings import BAR, WHISKER, paint_rankings
from reportgen.figures.split import keep_first
from reportgen.look.fonts import Typefaces
from reportgen.look.model_styles import model_styles
from reportgen.look.theme import PAPER


def bars(values: Sequence[float], ends: tuple[float, float], intervals: Sequence[tuple[float, float]] = ()) -> Rankings:
    labels = [f"bar {at}" for at in range(len(values))]
    ranking = Ranking(title="bars", labels=labels, values=values, intervals=intervals)
    return Rankings(
        name="bars", subject=("llama",), title="bars", alt="bars", rankings=[ranking], value_label="score",
        value_range=ends, model="llama",
    )  # fmt: skip


def painted(figure: Rankings, faces: Typefaces, height: float) -> list[tuple[float, float]]:
    """(left, right) of every rectangle of this height, within the panel that its frame names."""
    canvas = paint_rankings(figure, Look(PAPER, Lettering(faces), model_styles(["llama", "gemma"])))
    (frame,) = canvas.frames
    left, _, right, _ = (edge - MARGIN for edge in frame["box"])
    found = [one for one in canvas.plane.patches if isinstance(one, Rectangle)]
    spans = [(one.get_x(), one.get_x() + one.get_width()) for one in found if one.get_height() == pytest.approx(height)]
    assert all(left <= first <= last <= right for first, last in spans)
    return spans


@pytest.mark.parametrize(
    ("values", "ends"),
    [
        ([-2.32, -2.31], (-2.32, -2.31)),
        ([-2.3, 1.2, 0.4], (-2.3, 1.2)),
        ([-40.0, -3.0], (-40.0, -3.0)),
        ([0.1, 0.9], (0.0, 1.0)),
    ],
)
def test_bars_are_as_long_as_their_values_to_either_side_of_zero(
    values: list[float], ends: tuple[float, float], faces: Typefaces
) -> None:
    spans = painted(bars(values, ends), faces, BAR)
    (zero,) = {round(first if value > 0 else last, 6) for (first, last), value in zip(spans, values, strict=True)}
    lengths = [(last - first) for first, last in spans]
    assert all(abs((first + last) / 2 - zero) == pytest.approx((last - first) / 2) for first, last in spans)
    for value, length in zip(values, lengths, strict=True):
        assert length / lengths[0] == pytest.approx(abs(value / values[0]))


def test_an_interval_lies_where_its_ends_do(faces: Typefaces) -> None:
    values, intervals = [0.5, 1.0], [(0.25, 0.75), (0.8, 1.0)]
    figure = bars(values, (0.0, 1.0), intervals)
    (zero, half), (_, whole) = painted(figure, faces, BAR)
    lines = painted(figure, faces, WHISKER)
    expected = [[zero + (whole - zero) * one for one in ends] for ends in intervals]
    assert [list(one) for one in lines] == [pytest.approx(ends) for ends in expected]
    assert half - zero == pytest.approx((whole - zero) / 2)


def test_intervals_are_kept_in_short_lists_and_in_the_data() -> None:
    figure = bars([0.5, 1.0], (0.0, 1.0), [(0.25, 0.75), (0.8, 1.0)])
    assert keep_first(figure, 1).rankings[0].intervals == [(0.25, 0.75)]
    rows = list(csv.DictReader(io.StringIO(csv_of(figure))))
    assert [(float(row["lower"]), float(row["upper"])) for row in rows] == [(0.25, 0.75), (0.8, 1.0)]
    assert "lower" not in csv_of(bars([0.5], (0.0, 1.0))).splitlines()[0]
