"""Values of arrays that a history follows: the right element, or the mean that is asked for, against plain loops."""

import math
from pathlib import Path

import numpy as np
import pytest

from reportgen.baseline.history import read_history
from reportgen.baseline.tolerance import MEASURED, RANK, ToleranceEntry
from reportgen.baseline.watched import Unwatchable, label_quantity, read_value, read_watch
from reportgen.errors import BatteryError
from reportgen.results.quantities import Array
from tests.baseline.nights_written import date, write_night

DIMS = ("prompt", "step", "layer")


def make_array(unit: str = "nat") -> Array:
    values = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    values[1, 2, :] = np.nan  # the trace ended
    return Array(DIMS, values, unit, {"layer": (0, 5, 9, 14)}, called={"prompt": ("hot", "cold")})


def test_a_value_is_that_of_its_coordinates() -> None:
    array = make_array()
    for text, expected in (
        ("prompt=1,step=0,layer=14", array.values[1, 0, 3]),
        ("layer=5,prompt=cold,step=1", array.values[1, 1, 1]),
        ("prompt=hot,step=2,layer=0", array.values[0, 2, 0]),
    ):
        assert read_value(array, read_watch(f"a.b.c@{text}").places) == float(expected)


def test_a_mean_is_over_what_has_a_value() -> None:
    array = make_array()
    total, count = 0.0, 0
    for step in range(3):
        value = float(array.values[1, step, 3])
        if math.isfinite(value):
            total, count = total + value, count + 1
    found = read_value(array, read_watch("a.b.c@prompt=1,step=mean,layer=14").places)
    assert count == 2
    assert found == pytest.approx(total / count, rel=1e-12)
    wrong = (
        float(np.nansum(array.values[1, :, 3])) / 3,
        float(array.values[0, :, 3].mean()),
        float(array.values[1, 0].mean()),
    )
    assert all(abs(found - one) > 1e-3 for one in wrong)
    assert math.isnan(read_value(array, read_watch("a.b.c@prompt=1,step=2,layer=mean").places))
    whole = read_value(array, read_watch("a.b.c@prompt=mean,step=mean,layer=mean").places)
    assert whole == pytest.approx(float(np.nanmean(array.values.astype(np.float64))), rel=1e-12)


@pytest.mark.parametrize(
    ("places", "told"),
    [
        ("layer=14,prompt=0", "its dims are prompt, step, layer: step is not among those named"),
        ("layer=14,prompt=0,step=0,head=1", "its dims are prompt, step, layer: head is not among them"),
        ("layer=1,prompt=0,step=0", "no layer 1: there are 0, 5, 9, 14"),
        ("layer=5,prompt=warm,step=0", "no prompt 'warm': it goes from 0 to 1, called 'hot', 'cold'"),
    ],
)
def test_what_an_array_does_not_have_is_told(places: str, told: str) -> None:
    with pytest.raises(Unwatchable) as caught:
        read_value(make_array(), read_watch(f"a.b.c@{places}").places)
    assert str(caught.value) == told


@pytest.mark.parametrize(
    "text", ["", "a.b", "a.b.c@", "a.b.c@layer", "a.b.c@layer=", "a.b.c@layer=1,layer=2", "a.b.c@x=1"]
)
def test_a_path_is_read_strictly(text: str) -> None:
    if text == "a.b.c@":  # of an array without dims
        assert read_watch(text).places == {}
        return
    with pytest.raises(BatteryError) as caught:
        read_watch(text)
    assert "weather.*.entropy@layer=14,prompt=0,step=mean" in caught.value.mistakes[0].remedy


def test_a_name_in_words() -> None:
    assert label_quantity("entropy@layer=14,step=mean,prompt=hot") == "entropy, layer 14, mean over step, prompt hot"
    assert label_quantity("settling_layer") == "settling layer"


def write_runs(root: Path) -> Path:
    """Twelve nights; from the seventh on layer 14 of the second prompt is another."""
    for night in range(12):
        values = np.full((2, 3, 4), 1.0, np.float32)
        values[1, :, 3] += 0.5 * (night >= 6)
        array = Array(DIMS, values, "nat", {"layer": (0, 5, 9, 14)})
        ranks = Array(("layer",), np.full(4, 100.0 + 5 * (night >= 6)), "rank")
        options = {"prompts": [{"text": "a hot day", "id": "hot"}, {"text": "a cold day", "id": "cold"}]}
        write_night(root / str(night), night, {"loss": 1.0}, arrays={"entropy": array, "ranks": ranks}, options=options)
    return root


def test_a_watched_value_is_a_course_with_its_steps_and_the_tolerance_of_its_array(tmp_path: Path) -> None:
    watches = [read_watch(f"weather.*.entropy@layer=14,step=mean,prompt={one}") for one in ("cold", "hot", "mean")]
    watches.append(read_watch("weather.*.ranks@layer=0"))
    found = read_history(write_runs(tmp_path), {}, {}, watches=watches)
    courses = {course.path.partition("@")[0] + course.path.rpartition(",")[2]: course for course in found.courses}
    told = [found.describe_step(course, step) for course, step in found.steps]
    assert told == [
        f"night {date(6)}: weather.gemma.entropy@layer=14,step=mean,prompt=cold stepped from 1 to 1.50",
        f"night {date(6)}: weather.gemma.entropy@layer=14,step=mean,prompt=mean stepped from 1 to 1.25",
    ]
    assert courses["weather.gemma.entropyprompt=hot"].tolerance == MEASURED
    assert next(course for course in found.courses if course.name.startswith("ranks")).tolerance == RANK
    wide = read_history(tmp_path, {"weather.*.entropy": ToleranceEntry(abs=1.0, gate=False)}, {}, watches=watches[:1])
    assert [course.name for course in wide.courses] == ["loss", "entropy@layer=14,step=mean,prompt=cold"]
    assert not wide.steps


def test_without_a_watch_nothing_else_is_read_or_found(tmp_path: Path) -> None:
    write_runs(tmp_path)
    (tmp_path / "3" / "arrays.safetensors").unlink()
    found = read_history(tmp_path, {}, {})
    assert [course.name for course in found.courses] == ["loss"]
    assert not found.left_out
    watched = read_history(tmp_path, {}, {}, watches=[read_watch("weather.*.ranks@layer=0")])
    assert [Path(str(one.file)).parts[0] for one in watched.left_out] == ["3"]


def test_a_night_without_the_coordinate_has_no_value_and_an_array_without_any_is_named(tmp_path: Path) -> None:
    for night in range(8):
        arrays = {"entropy": Array(("layer",), np.arange(3.0 + (night > 2)), "nat"),
                  "other": Array(("head",), np.zeros(2), "nat")}  # fmt: skip
        write_night(tmp_path / str(night), night, {"loss": 1.0}, arrays=arrays)
    found = read_history(tmp_path, {}, {}, watches=[read_watch("weather.*.*@layer=3")])
    values = next(course.values for course in found.courses if "@" in course.name)
    assert [math.isfinite(value) for value in values] == [False] * 3 + [True] * 5
    assert found.unwatched == ("weather.gemma.other@layer=3: its dims are head: head is not among those named",)
