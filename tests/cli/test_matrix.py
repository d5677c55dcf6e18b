"""A matrix of models as a user meets it: planned, run and kept under the ids that it stands for."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.tiny import save_tiny

Call = Callable[..., Any]


@pytest.fixture
def battery(tmp_path: Path) -> Path:
    """Two checkpoints in two number formats, one of them compared with the other."""
    for step in (9, 10):
        save_tiny(tmp_path / "ckpt" / f"step-{step}", seed=step)
    file = tmp_path / "battery.yaml"
    file.write_text(
        "matrix: {models: {training: ./ckpt/step-*}, dtype: [float32, bfloat16]}\n"
        "probes:\n"
        "  next: {probe: next_token, prompts: [an apple], models: ['*-float32']}\n"
        "  moved: {probe: drift, base: step-9-float32, other: step-10-float32, prompts: [an apple a day, my eye]}\n"
        "outputs: []\n"
    )
    return file


def test_the_plan_names_every_model_of_a_matrix(reportgen: Call, battery: Path) -> None:
    ended = reportgen("plan", battery)
    assert ended.code == 0, ended.err
    heads = [line.partition(",")[0] for line in ended.out.splitlines() if not line.startswith(" ")]
    assert heads[:3] == [
        "step-9-float32: step-9",
        "step-10-float32: step-10",
        "step-9-float32..step-10-float32: 2 prompts",
    ]


def test_results_hold_the_models_and_not_the_matrix(reportgen: Call, battery: Path) -> None:
    ended = reportgen("run", battery)
    assert ended.code == 0, ended.err
    results = json.loads((battery.parent / "battery" / "results.json").read_text())
    told = {id: (one["source"], one["dtype"]) for id, one in results["models"].items()}
    assert told == {"step-9-float32": ("./ckpt/step-9", "float32"), "step-10-float32": ("./ckpt/step-10", "float32")}
    assert list(results["results"]["next"]) == list(told)
    assert list(results["results"]["moved"]) == ["step-9-float32..step-10-float32"]


def test_the_command_line_changes_nothing_that_the_ids_say(reportgen: Call, battery: Path) -> None:
    ended = reportgen("run", battery, "--dtype", "float32")
    assert ended.code == 2
    assert (
        f"{battery}: --dtype: the battery's matrix lists values of dtype, and its models are called by them"
        in ended.err
    )
    assert not (battery.parent / "battery").exists()


def test_a_source_that_cannot_be_meant_is_told_with_the_line_of_its_key(reportgen: Call, battery: Path) -> None:
    battery.write_text(
        "matrix:\n  models:\n    small: demo:smollm2-135m-instrct\nprobes: {c: {probe: parameter_census}}\n"
    )
    ended = reportgen("plan", battery)
    assert ended.code == 2
    assert f"{battery}:3: models.small: unknown demo model" in ended.err
