import re

import numpy as np
import pytest

from reportgen.figures.describe import Band, Timeline, Timelines, list_texts
from reportgen.figures.draw import draw
from reportgen.figures.draw.timelines import FLAT, HEIGHT
from reportgen.figures.step_scale import StepScale
from reportgen.look.fonts import load_typefaces
from reportgen.look.model_styles import model_styles

NIGHTS = [f"2026-11-{day:02}" for day in range(1, 31)]


def drawing(*timelines, runs=NIGHTS, steps=()):
    figure = Timelines(
        name="metrics",
        subject=("gemma",),
        title="Gemma",
        alt="Metrics",
        runs=runs,
        timelines=timelines,
        model="gemma",
        steps=steps,
    )
    return draw(figure, typefaces=load_typefaces(set(list_texts(figure))), styles=model_styles(["gemma"]))


def words(drawn):
    return re.findall(r"<text[^>]*>([^<]*)</text>", drawn.svg("characters"))


def moving(**known):
    return Timeline(label="entropy", unit="nat", values=[1.0] * 15 + [2.0] * 15, **known)


def test_a_metric_has_its_name_its_unit_its_last_value_and_the_nights_below():
    told = words(drawing(moving()))
    assert told[:3] == ["entropy", "nat", "2"]
    assert NIGHTS[0] in told
    assert NIGHTS[-1] in told


def test_a_step_names_its_night():
    assert "2026-11-16" in words(drawing(moving(steps=[(15, 15)])))
    assert "2026-11-16" not in words(drawing(moving()))


def test_a_night_is_named_where_the_line_is_not():
    def heights(values):
        drawn = drawing(Timeline(label="entropy", unit="nat", values=values, steps=[(15, 15)]))
        return [float(y) for y in re.findall(r'y="([\d.]+)"[^>]*>2026-11-16<', drawn.svg("characters"))]

    risen, fallen = heights([1.0] * 15 + [2.0] * 15), heights([2.0] * 15 + [1.0] * 15)
    assert risen[0] > fallen[0]


def test_a_break_and_a_step_are_drawn():
    def strokes(**known):
        return drawing(moving(**known)).svg("paths").count("<path")

    assert strokes(breaks=[10]) > strokes()
    assert strokes(steps=[(15, 15)]) > strokes()


def test_each_band_is_one_light_area():
    def areas(*bands):
        return drawing(moving(bands=bands)).svg("paths").count("opacity: 0.14")

    one, other = Band(first=0, last=14, lower=0.9, upper=1.1), Band(first=15, last=29, lower=1.9, upper=2.1)
    assert (areas(), areas(one), areas(one, other)) == (0, 1, 2)


def test_what_never_moved_takes_little_room():
    flat = Timeline(label="layers", unit="blocks", values=[18.0] * 30)
    height = (drawing(moving()).height_inches - drawing(flat).height_inches) * 72
    assert height == pytest.approx(HEIGHT - FLAT)


@pytest.mark.parametrize("values", [[], [np.nan] * 30, [np.nan, 1.0] * 15, [1e300] * 15 + [-1e300] * 15, [5e-324] * 30])
def test_any_values_are_drawn_without_a_warning(values):
    timeline = Timeline(label="x", unit="", values=values)
    assert drawing(timeline, runs=NIGHTS[: len(values)]).svg().startswith("<svg")


def test_one_night_is_a_dot():
    drawn = drawing(Timeline(label="x", unit="", values=[1.0]), runs=NIGHTS[:1])
    assert "<use" in drawn.svg()


def test_a_thousand_nights_are_named_only_where_there_is_room():
    nights = [f"night {night}" for night in range(1000)]
    told = words(drawing(Timeline(label="x", unit="", values=np.arange(1000.0).tolist()), runs=nights))
    assert 2 <= sum(word.startswith("night") for word in told) <= 9


@pytest.mark.parametrize(
    ("steps", "numbers"),
    [([0, 100, 200, 1000], ["0", "1,000"]), ([1, 2, 100, 20000], ["1", "10", "100", "1,000", "10,000"])],
)
def test_checkpoints_stand_by_their_steps(steps, numbers):
    one = Timeline(label="entropy", unit="nat", values=[4.0, 3.0, 2.0, 1.0])
    drawn = drawing(one, runs=[f"step {step}" for step in steps], steps=steps)
    told = words(drawn)
    assert [number for number in numbers if number in told] == numbers
    assert "step" in told
    line = max(re.findall(r' d="(M[^"]*)"', drawn.svg("paths")), key=lambda path: path.count("L") == 3)
    xs = [float(x) for x in re.findall(r"[ML] ?([\d.]+)", line)]
    placed = [(x - xs[0]) / (xs[-1] - xs[0]) for x in xs]
    assert placed == pytest.approx([StepScale.of(steps).place(step) for step in steps], abs=0.01)
