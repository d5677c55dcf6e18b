"""The checkpoints of a training in the order of their steps: what tells a step, and bundles cut by it."""

import json
import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from reportgen.baseline.history import History, read_history
from reportgen.baseline.training import find_checkpoint, find_step
from reportgen.errors import BundleError
from reportgen.figures.step_scale import StepScale
from reportgen.results.bundle import Bundle, write_numbers
from reportgen.results.quantities import Metric, Outcome
from reportgen.results.section import ModelCard
from reportgen.workflows.history import chart_history
from tests.baseline.nights_written import write_night


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("step-1000", (1000, "step", "step-*")),
        ("step-100-float32", (100, "step-float32", "step-*-float32")),
        ("small_checkpoint_0500", (500, "small_checkpoint", "small_checkpoint_*")),
        ("stage1-step140000-tokens294B", (140000, "stage1-step-tokens294B", "stage1-step*-tokens294B")),
        ("global_step20/iter_30", (30, "global_step20/iter", "global_step20/iter_*")),
        ("step-7.gguf", (7, "step.gguf", "step-*.gguf")),
        ("Checkpoint9", (9, "Checkpoint", "Checkpoint*")),
        ("footstep-9", None), ("step-10k", None), ("step-1.5", None), ("epoch-3", None), ("llama-3", None),
    ],
)  # fmt: skip
def test_what_tells_a_step(text: str, told: tuple[int, str, str] | None) -> None:
    assert find_step(text) == told


def test_an_id_tells_it_before_a_source_and_of_a_source_the_last_part_that_does() -> None:
    told = {
        ("step-5", "run/step-9"): (5, "step"),
        ("early", "runs/a/checkpoint-500"): (500, "checkpoint"),
        ("early", "org/pythia@step1000"): (1000, "step"),
        ("early", "step-1/checkpoint-2/hf"): (2, "checkpoint"),
    }
    for (id, source), expected in told.items():
        found = find_checkpoint(id, source)
        assert found is not None
        assert (found.step, found.training) == expected
    assert find_checkpoint("early", "demo:gemma-3-270m") is None


def outcome(models: tuple[str, ...], value: float, options: Mapping[str, Any]) -> Outcome:
    return Outcome("logit_lens", 1, dict(options), models, "ok", metrics={"entropy": Metric(value, "nat")})


def write_checkpoints(
    folder: Path, steps: Mapping[str, float], *, bases: tuple[str, ...] = (), pairs: tuple[tuple[str, str], ...] = ()
) -> Path:
    """A bundle of many checkpoints, each under an id that tells its step, with its entropy."""
    ids = [*bases, *steps]
    cards = {
        id: ModelCard(id, id, "LlamaForCausalLM", 2, {"source": "x", "weights_sha256": str(at)})
        for at, id in enumerate(ids)
    }
    alone = {id: outcome((id,), value, {}) for id, value in (dict.fromkeys(bases, 9.0) | dict(steps)).items()}
    both = {"..".join(pair): outcome(pair, 0.5, {"base": pair[0], "other": pair[1]}) for pair in pairs}
    found = {"lens": alone, **({"apart": both} if both else {})}
    folder.mkdir(parents=True)
    write_numbers(folder, Bundle(None, "Training", cards, found, {"started": "2026-11-20T01:00:00+00:00"}))
    return folder


def read(folder: Path) -> History:
    return read_history(folder, {}, {}, "step")


def curves(history: History) -> dict[str, list[float]]:
    return {course.path: list(course.values) for course in history.courses}


def test_one_bundle_of_many_checkpoints_is_a_curve_over_its_steps(tmp_path: Path) -> None:
    history = read(write_checkpoints(tmp_path / "out", {"step-1000": 3.0, "step-0": 5.0, "step-20": 4.0}))
    assert [run.step for run in history.runs] == [0, 20, 1000]
    assert history.labels == ("step 0", "step 20", "step 1,000")
    assert curves(history) == {"lens.step.entropy": [5.0, 4.0, 3.0]}
    assert history.models == {"step": "step-*"}


def test_several_trainings_of_one_battery_are_courses_beside_each_other(tmp_path: Path) -> None:
    history = read(write_checkpoints(tmp_path / "out", {"a-step-1": 1.0, "b-step-1": 2.0, "a-step-2": 3.0}))
    found = curves(history)
    assert found["lens.a-step.entropy"] == [1.0, 3.0]
    assert found["lens.b-step.entropy"][0] == 2.0
    assert len(history.runs) == 2


def test_a_bundle_a_checkpoint_has_the_step_of_its_folder_and_keeps_its_ids(tmp_path: Path) -> None:
    for at, step in enumerate((500, 1000, 5)):
        write_night(tmp_path / f"checkpoint-{step}", at, {"entropy": float(step)})
    history = read(tmp_path)
    assert curves(history) == {"weather.gemma.entropy": [5.0, 500.0, 1000.0]}
    assert [run.name for run in history.runs] == ["checkpoint-5", "checkpoint-500", "checkpoint-1000"]


def test_a_pair_stands_at_the_step_of_its_checkpoint_and_one_of_two_steps_at_none(tmp_path: Path) -> None:
    pairs = (("base", "step-1"), ("base", "step-2"), ("step-1", "step-2"))
    history = read(write_checkpoints(tmp_path / "out", {"step-1": 1.0, "step-2": 2.0}, bases=("base",), pairs=pairs))
    assert curves(history) == {"lens.step.entropy": [1.0, 2.0], "apart.base..step.entropy": [0.5, 0.5]}
    assert not history.beginnings  # `other` is another id at each step, and the same option
    assert history.unplaced == (
        "out: no step is told by base",
        "out: of two steps, and so of neither: step-1..step-2",
    )


def test_what_cannot_be_placed_is_left_out_and_says_why(tmp_path: Path) -> None:
    write_checkpoints(tmp_path / "one", {"step-1": 1.0, "step-2": 2.0})
    write_checkpoints(tmp_path / "two", {"step-2": 2.0})
    write_checkpoints(tmp_path / "three", {"model": 2.0})
    write_checkpoints(tmp_path / "twice", {"step-7": 2.0, "step7": 2.0})
    write_checkpoints(tmp_path / "shared", {"step-8": 2.0}, bases=("step",))
    told = {str(one.file): one.message for one in read(tmp_path).left_out}
    assert told == {
        "two/results.json": "it is of step 2, as one is",
        "three/results.json": "neither its models nor its folder tell a step",
        "shared/results.json": "step is a model of no step, and what the checkpoints would be called",
        "twice/results.json": "step-7 and step7 are both step 7 of step",
    }
    with pytest.raises(BundleError, match="neither its models nor its folder tell a step"):
        read(tmp_path / "three")


def test_a_change_names_its_step_and_not_the_weights_which_every_checkpoint_has(tmp_path: Path) -> None:
    values = {f"step-{step}": 5.0 if step < 600 else 2.0 for step in range(100, 1100, 100)}
    history = read(write_checkpoints(tmp_path / "out", values))
    assert history.describe_changes() == ["step 600: lens.step.entropy went from 5 to 2"]


def test_the_page_and_its_data_tell_the_steps(tmp_path: Path) -> None:
    values = {f"step-{step}": float(at) for at, step in enumerate((0, 1, 10, 100, 1000))}
    history, (page, data) = chart_history(
        write_checkpoints(tmp_path / "out", values), tmp_path / "h.html", order="step"
    )
    assert [night["step"] for night in json.loads(data.read_text())["nights"]] == [0, 1, 10, 100, 1000]
    text = re.sub("</?bdi>", "", page.read_text())
    assert "5 checkpoints, from “step 0” to “step 1,000”" in text
    assert "The axis of steps is logarithmic, and linear below its first step above 0" in text
    assert "night" not in re.sub("<script.*?</script>", "", text.partition("<main")[2], flags=re.DOTALL)
    assert history.order == "step"


def test_the_axis_is_linear_below_two_decades_and_logarithmic_from_there() -> None:
    linear = StepScale.of([100, 600, 1100])
    assert (linear.words, linear.place(100), linear.place(600), linear.place(1100)) == ("linear", 0.0, 0.5, 1.0)
    decades = StepScale.of([1, 10, 100])
    assert decades.words == "logarithmic"
    assert [decades.place(step) for step in (1, 10, 100)] == pytest.approx([0, 0.5, 1])
    assert decades.list_powers() == [1, 10, 100]
    zero = StepScale.of([0, 1, 10, 1000])
    places = [zero.place(step) for step in (0, 1, 10, 100, 1000)]
    assert places[0] == 0
    assert places[-1] == 1
    gaps = [there - here for here, there in pairwise(places[1:])]
    assert gaps == pytest.approx([gaps[-1]] * 3, rel=0.15)  # a decade is a decade
    assert zero.list_powers() == [0, 1, 10, 100, 1000]
    assert StepScale.of([7]).place(7) == 0
    assert StepScale.of([0, 0]).words == "linear"
