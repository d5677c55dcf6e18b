"""A base and the same base with an adapter in one battery: two models, of which files are read and watched once."""

import json
from pathlib import Path
from typing import Any

import pytest

from reportgen.battery.reader import read_battery
from reportgen.model.files import weights_hash
from reportgen.running import execute as execute_module
from reportgen.running import ready
from reportgen.running.execute import execute
from reportgen.running.memory import estimate_memory
from reportgen.running.outcome_cache import OutcomeCache
from reportgen.running.outcome_key import files_of
from reportgen.running.plan import make_plan
from tests.runs import run_probes
from tests.tiny import save_tiny
from tests.tiny_adapters import ALPHA, draw_matrices, save_adapter

UP = {"model.layers.1.mlp.up_proj": (24, 40)}
TEXTS = ["an apple a day", "I ate an apple for breakfast"]
PROBES: dict[str, Any] = {
    "census": {"probe": "parameter_census"},
    "drift": {"probe": "drift", "base": "base", "other": "tuned", "prompts": TEXTS},
}


@pytest.fixture
def models(tmp_path: Path) -> dict[str, str]:
    base = save_tiny(tmp_path / "Tiny-Llama")
    adapter = save_adapter(tmp_path / "poet", draw_matrices(UP))
    return {"base": str(base), "tuned": f"{base} + {adapter}"}


def test_a_model_is_called_after_its_base_and_its_adapter_and_drift_finds_what_it_changed(
    models: dict[str, str],
) -> None:
    results = run_probes(models, PROBES)
    cards = results.models
    assert [card.name for card in cards.values()] == ["Tiny-Llama", "Tiny-Llama + poet"]
    hashes = {card.facts["weights_sha256"] for card in cards.values()}
    assert len(hashes) == 2
    drift = results.outcomes["drift"]["base..tuned"]
    assert drift.status == "ok", drift.reason
    changed = [row[0] for row in drift.tables["weights"].rows if row[-1]]
    assert changed == ["model.layers.1.mlp.up_proj.weight"]
    assert drift.metrics["first_changed_layer"].value == 2
    census = results.outcomes["census"]
    assert census["base"].metrics["total_parameters"] == census["tuned"].metrics["total_parameters"]


def test_the_base_is_hashed_once(models: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[list[str]] = []
    original = weights_hash._hash_tensors

    def counted(files: list[Path]) -> str:
        read.append([file.name for file in files])
        return original(files)

    monkeypatch.setattr(weights_hash, "_hash_tensors", counted)
    run_probes(models, PROBES)
    assert sorted(read) == [["adapter_model.safetensors"], ["model.safetensors"]]


def test_a_changed_adapter_is_measured_anew_and_its_base_is_not(models: dict[str, str], tmp_path: Path) -> None:
    def run() -> list[str]:
        battery = read_battery(json.dumps({"models": models, "probes": PROBES}))
        cache = OutcomeCache()
        return execute(make_plan(battery, cache=cache), cache=cache).kept

    assert run() == []
    assert run() == ["census base", "census tuned", "drift base..tuned"]
    save_adapter(tmp_path / "poet", draw_matrices(UP), lora_alpha=ALPHA + 1)
    assert run() == ["census base"]


def test_an_adapter_that_changes_while_probes_run_leaves_no_number_of_its_model(
    models: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = ready.load_network

    def overtaken(planned: Any, readied: Any) -> Any:
        loaded = original(planned, readied)
        if planned.id == "tuned":
            save_adapter(tmp_path / "poet", draw_matrices(UP, seed=1))
        return loaded

    monkeypatch.setattr(execute_module, "load_network", overtaken)
    outcomes = run_probes(models, PROBES).outcomes
    assert outcomes["census"]["base"].status == "ok"
    assert outcomes["census"]["tuned"].status == "failed"
    assert "the model changed while it was read: adapter_" in outcomes["census"]["tuned"].reason


def test_all_files_of_an_adapter_are_watched_and_its_weights_take_room(models: dict[str, str], tmp_path: Path) -> None:
    plan = make_plan(read_battery(json.dumps({"models": models, "probes": {"census": PROBES["census"]}})))
    base, tuned = plan.models
    assert base.readied is not None
    assert tuned.readied is not None
    beyond = set(files_of(tuned.readied.located)) - set(files_of(base.readied.located))
    assert {file.name for file in beyond} >= {"adapter_config.json", "adapter_model.safetensors", "tokenizer.json"}
    assert all(file.is_relative_to(tmp_path / "poet") for file in beyond)
    assert estimate_memory(tuned) - estimate_memory(base) == 4 * 24 * 40


def test_an_adapter_for_another_base_is_a_failed_card_without_the_places_of_the_machine(
    models: dict[str, str], tmp_path: Path
) -> None:
    save_adapter(
        tmp_path / "poet",
        draw_matrices({"model.layers.1.mlp.up_proj": (40, 24), "model.layers.0.mlp.up_proj": (7, 40)}),
    )
    results = run_probes(models, PROBES)
    failed = results.outcomes["census"]["tuned"]
    assert failed.status == "failed"
    assert "the adapter is for another base" in failed.reason
    assert results.outcomes["census"]["base"].status == "ok"
