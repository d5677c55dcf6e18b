"""Representations of one model, put into another."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from reportgen.battery.reader import read_battery
from reportgen.errors import BatteryError
from reportgen.probes.patchscope_across import probe
from reportgen.results.quantities import Outcome
from reportgen.results.section import ModelCard, Section
from reportgen.running.plan import make_plan
from reportgen.running.planned import PlannedCase
from tests.runs import run_probes
from tests.tiny import LAYERS, save_tiny

TEXTS = ["I ate an apple", "an apple a day"]
ASKING = {"id": "what", "text": "the apple: my eye, a day", "word": "eye"}
FIT = ["the day I ate my eye", "breakfast for an apple", "a day of apple", "eye for a day", "I ate breakfast", *TEXTS]
LINEAR = {"map": "linear", "fit": FIT, "ridge": 1e-9}


def entry(**options: Any) -> dict[str, Any]:
    return {"probe": "patchscope_across", "base": "a", "other": "b", "prompts": TEXTS, "targets": [ASKING],
            "continue": 4, **options}  # fmt: skip


def across(models: dict[str, Path], **options: Any) -> Outcome:
    outcome = run_probes(models, {"scope": entry(**options)}).outcomes["scope"]["a..b"]
    assert outcome.status == "ok", outcome.reason
    return outcome


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pair")
    return {"a": save_tiny(folder / "a", seed=3), "b": save_tiny(folder / "b", seed=4)}


@pytest.fixture(scope="module")
def alone(models: dict[str, Path]) -> Outcome:
    written = {"probe": "patchscope", "prompts": TEXTS, "targets": [ASKING], "continue": 4}
    return run_probes({"a": models["a"]}, {"scope": written}).outcomes["scope"]["a"]


def planned(models: dict[str, Path], **options: Any) -> PlannedCase:
    battery = {"models": {id: str(path) for id, path in models.items()}, "probes": {"scope": entry(**options)}}
    (pair,) = make_plan(read_battery(json.dumps(battery))).pairs
    return pair.cases[0]


def test_into_its_own_copy_the_answers_are_those_of_the_model_alone(
    models: dict[str, Path], alone: Outcome, tmp_path: Path
) -> None:
    copy = shutil.copytree(models["a"], tmp_path / "copy")
    found = across({"a": models["a"], "b": copy})
    assert found.tables["answers"].rows == alone.tables["answers"].rows
    into_another = across(models)
    assert into_another.tables["unpatched"].rows != found.tables["unpatched"].rows
    assert into_another.metrics["held_out_r2"].reason == "no map was asked for"
    mapped = across({"a": models["a"], "b": copy}, layers=[2, 3], **LINEAR)  # fewer tokens than the stream is wide
    assert [row["r2"] for row in mapped.tables["maps"].records()] == pytest.approx([1, 1], abs=1e-4)
    expected = [row for row in alone.tables["answers"].rows if row[2] >= 2]
    assert mapped.tables["answers"].rows == expected


def test_a_map_between_two_random_models_is_told_with_how_poorly_it_holds(models: dict[str, Path]) -> None:
    found = across(models, **{**LINEAR, "ridge": 1}, layers=[0, LAYERS], target_layers=[1])
    maps = found.tables["maps"].records()
    assert [(row["layer"], row["target_layer"]) for row in maps] == [(0, 1), (LAYERS, 1)]
    assert all(row["r2"] < 0.9 for row in maps)
    assert maps[0]["positions"] == found.metrics["fitted_positions"].value > 24
    cards = {id: ModelCard(id, id.upper(), "X", LAYERS) for id in ("a", "b")}
    section = Section("scope", {"a..b": found}, cards)
    assert "on held-out texts" in probe.statement(section)
    assert [figure.name for figure in probe.figures(section)] == ["answers-0-0-into-1", "answers-1-0-into-1"]


def test_streams_of_two_widths_and_models_of_two_depths_are_refused_before_any_pass(
    models: dict[str, Path], tmp_path: Path
) -> None:
    for key, value, expected in (
        ("hidden_size", 32, "the streams are 24 and 32 wide: only a fitted map (map: linear) leads from one to"),
        ("num_hidden_layers", 5, "the models have 3 and 5 blocks: say which layers, and which target_layers, go"),
    ):
        other = shutil.copytree(models["b"], tmp_path / key)
        config = json.loads((other / "config.json").read_text())
        (other / "config.json").write_text(json.dumps({**config, key: value}))
        assert planned({"a": models["a"], "b": other}).skipped.startswith(expected)
    deep = {"a": models["a"], "b": tmp_path / "num_hidden_layers"}
    assert not planned(deep, layers=[3], target_layers=[5]).skipped
    assert "b: layer 4 is out of range" in planned({"a": deep["b"], "b": models["a"]}, layers=[4]).skipped


def test_a_fit_on_too_little_is_refused_before_any_pass(models: dict[str, Path]) -> None:
    told = planned(models, map="linear", fit=["an apple"] * 5).skipped
    assert told.startswith("the texts of the fit have ")
    assert "a map from a stream 24 wide needs more than 24" in told
    for options, wrong in (
        ({"map": "linear"}, "needs fit: at least 5 texts"),
        ({"fit": FIT}, "nothing is fitted with map: none"),
    ):
        with pytest.raises(BatteryError, match=wrong):
            planned(models, **options)
    missing = planned(models, targets=[{**ASKING, "word": "x"}])
    assert missing.skipped.startswith("b: the word 'x' is not in the sentence")


def test_the_plan_knows_how_many_passes_there_will_be(models: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from reportgen.probes.patchscope_across import run as capture

    asked = []
    real = capture.run_all
    monkeypatch.setattr(capture, "run_all", lambda model, passes: asked.append(len(passes)) or real(model, passes))
    for options in ({}, {"layers": [0, 2]}, {"layers": [1], "target_layers": "all"}):
        asked.clear()
        across(models, **options)
        assert planned(models, **options).further == sum(asked) > 0
