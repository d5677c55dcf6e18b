"""Eleven mornings of an engineer: what changed in the night, and what terminal, JUnit, Markdown and exit code say."""

import html
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file, save_file

from tests.tiny import save_tiny, tokenizer_json

Call = Callable[..., Any]
DOWN = "model.layers.0.mlp.down_proj.weight"


@dataclass
class Night:
    """A battery as a night finds it, and how it is run."""

    model: Path
    battery: dict[str, Any]
    arguments: tuple[object, ...] = ("--threads", "1")


@dataclass
class Morning:
    """What an engineer reads."""

    code: int
    terminal: str
    junit: str
    markdown: str

    @property
    def everywhere(self) -> tuple[str, str, str]:
        return self.terminal, html.unescape(self.junit), html.unescape(self.markdown.replace("\\", ""))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("models") / "tiny", "llama")


def make_night(model: Path) -> Night:
    probes = {
        "lens": {"probe": "logit_lens", "prompts": ["an apple", "an apple a day"]},
        "near": {"probe": "nearest_tokens", "ids": [5, 9], "k": 3},
        "census": {"probe": "parameter_census"},
    }
    return Night(model, {"models": {"a": str(model)}, "probes": probes, "outputs": []})


@pytest.fixture
def spend(reportgen: Call, model: Path, tmp_path: Path) -> Callable[[Callable[[Night], object]], Morning]:
    """Runs the battery, lets something happen, runs it again, and compares."""

    def run(night: Night, name: str) -> Path:
        file = tmp_path / f"{name}.yaml"
        file.write_text(json.dumps(night.battery))
        reportgen("run", file, "--quiet", *night.arguments)
        return tmp_path / name

    def spend(happen: Callable[[Night], object]) -> Morning:
        copy = Path(shutil.copytree(model, tmp_path / "model"))
        night = make_night(copy)
        before = run(night, "before")
        happen(night)
        after = run(night, "after")
        files = [tmp_path / "junit.xml", tmp_path / "summary.md"]
        ended = reportgen("compare", before, after, "--format", "html", "--junit", files[0], "--markdown", files[1])
        return Morning(ended.code, ended.out, *(file.read_text() for file in files))

    return spend


def change_weights(night: Night, change: Callable[[dict[str, Any]], object]) -> None:
    file = night.model / "model.safetensors"
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file, {"format": "pt"})


def scale_tensor(night: Night) -> None:
    change_weights(night, lambda tensors: tensors.update({DOWN: tensors[DOWN] * 1.01}))


def move_element(night: Night) -> None:
    def move(tensors: dict[str, Any]) -> None:
        tensors[DOWN][0, 0] += 1.0

    change_weights(night, move)


def scale_norm(night: Night) -> None:
    def scale(tensors: dict[str, Any]) -> None:
        tensors["model.layers.0.input_layernorm.weight"] *= 1.1

    change_weights(night, scale)


def narrow(night: Night) -> None:
    night.battery["models"]["a"] = {"source": str(night.model), "dtype": "bfloat16"}


@pytest.mark.parametrize(
    ("happen", "cause", "layer"),
    [
        (narrow, "dtype of a float32 → bfloat16", 1),
        (scale_tensor, "weights of a", 2),
        (move_element, "weights of a", 1),
        (scale_norm, "weights of a", 1),
    ],
)
def test_what_moves_numbers_is_drift_and_its_cause_stands_in_the_first_lines(
    spend: Callable[..., Morning], happen: Callable[[Night], object], cause: str, layer: int
) -> None:
    morning = spend(happen)
    assert morning.code == 4
    assert morning.terminal.splitlines()[0].startswith("Drifted: ")
    for told in morning.everywhere:
        assert cause in "\n".join(told.splitlines()[:3])
        assert f"layer {layer} of a (model): lens" in told  # the first beyond tolerance
    assert "accept it if it is meant: reportgen baseline accept after" in morning.terminal
    assert "<failure" in morning.junit


def test_another_tokenizer_leaves_the_parameters_comparable_and_names_a_text_that_it_cuts_otherwise(
    spend: Callable[..., Morning],
) -> None:
    morning = spend(lambda night: (night.model / "tokenizer.json").write_text(tokenizer_json(bos=False)))
    assert morning.code == 5
    assert "tokenizer of a" in morning.terminal.splitlines()[0]
    for told in morning.everywhere:
        assert "another tokenizer of a: “<bos>|" in told
        assert "vocabulary the same, merges the same, another post-processor (what it adds, such as BOS)" in told
    assert 'classname="census.a" name="total_parameters" time="0" />' in morning.junit
    assert 'classname="census.a" name="reserved_vocabulary"' in morning.junit
    assert "skipped" in morning.junit.partition('classname="census.a" name="reserved_vocabulary"')[2][:150]


def edit_prompt(night: Night) -> None:
    night.battery["probes"]["lens"]["prompts"][1] = "an apple a week"


def ask_for_more(night: Night) -> None:
    night.battery["probes"]["near"]["k"] = 4


def drop_probe(night: Night) -> None:
    del night.battery["probes"]["near"]


@pytest.mark.parametrize(
    ("happen", "told"),
    [
        (
            edit_prompt,
            "lens.a: not comparable: another option prompts: 1 was “an apple a day” and is “an apple a week”",
        ),
        (ask_for_more, "near.a: not comparable: another option k: 3 → 4"),
        (drop_probe, "near.a: removed: the battery does not ask for it any more"),
    ],
)
def test_what_was_asked_otherwise_says_what_was_and_is_and_what_to_do(
    spend: Callable[..., Morning], happen: Callable[[Night], object], told: str
) -> None:
    morning = spend(happen)
    assert morning.code == 5
    assert f"  {told}" in morning.terminal.splitlines()
    reason = told.split(": ", 2)[2]
    assert reason in morning.junit
    assert reason in morning.markdown
    assert "Take back what was changed, or accept it if it is meant" in morning.terminal
    assert "Take back what was changed" in morning.markdown


def test_a_probe_that_was_added_is_new_and_no_failure(spend: Callable[..., Morning]) -> None:
    morning = spend(lambda night: night.battery["probes"].update(more={"probe": "nearest_tokens", "ids": [3]}))
    assert morning.code == 0
    assert "new" in morning.terminal.splitlines()[0]
    assert "<failure" not in morning.junit


def test_a_model_that_is_missing_is_an_error(spend: Callable[..., Morning], model: Path) -> None:
    def lose(night: Night) -> None:
        night.battery["models"]["b"] = str(model)  # one that is there: else there is no bundle
        night.battery["models"]["a"] = "./gone"

    morning = spend(lose)
    assert morning.code == 3
    assert morning.terminal.startswith("A probe failed: 3 newly failed")
    for told in morning.everywhere:
        assert "./gone: there is no such file or folder" in told
    assert "<error" in morning.junit


def test_other_threads_are_told_and_are_no_failure(spend: Callable[..., Morning]) -> None:
    def use_threads(night: Night) -> None:
        night.arguments = ("--threads", "2", "--no-cache")

    morning = spend(use_threads)
    assert morning.code == 0
    assert "<failure" not in morning.junit
    assert "| a: threads |" in morning.markdown
