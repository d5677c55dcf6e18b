import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from reportgen.battery.reader import read_battery
from reportgen.errors import ModelError
from reportgen.model.files.weights_hash import weights_sha256
from reportgen.probes import logit_lens
from reportgen.probes.logit_lens import LogitLens
from reportgen.running import outcome_key as module
from reportgen.running.outcome_cache import OutcomeCache
from reportgen.running.outcome_key import make_outcome_key
from reportgen.running.plan import make_plan
from tests.tiny import save_tiny

LENS: dict[str, Any] = {"probe": "logit_lens", "prompts": ["an apple"]}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save_tiny(tmp_path / "model", chat_template="{{ messages[0].content }}")


def key(folder: Path, probe: dict[str, Any] = LENS, **model: Any) -> str:
    """The key of one probe on one model."""
    weights_sha256(folder)  # a plan never reads weights; it knows the hash of those that were run
    written = {"models": {"m": {"source": str(folder), **model}}, "probes": {"p": probe}}
    battery = read_battery(json.dumps(written))
    (planned,) = make_plan(battery, cache=OutcomeCache()).models
    assert planned.readied is not None
    assert planned.readied.conditions is not None
    return make_outcome_key([planned.readied.conditions], battery.probes["p"])


def edit_file(folder: Path, file: str, **changes: Any) -> None:
    content = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps(content | changes))


def change_weights(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    name = sorted(tensors)[0]
    tensors[name] = np.nextafter(tensors[name], np.float32(9))
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def change_tokenizer(folder: Path) -> None:
    content = json.loads((folder / "tokenizer.json").read_text())
    content["model"]["merges"].pop()
    (folder / "tokenizer.json").write_text(json.dumps(content))


CHANGED_FILES: dict[str, Callable[[Path], None]] = {
    "weights": change_weights,
    "tokenizer": change_tokenizer,
    "chat template": lambda folder: edit_file(folder, "tokenizer_config.json", chat_template="{{ messages }}"),
    "configuration": lambda folder: edit_file(folder, "config.json", rms_norm_eps=1e-3),
    "end token": lambda folder: edit_file(folder, "generation_config.json", eos_token_id=7),
}


def test_nothing_changed_is_the_same_key(model: Path, tmp_path: Path) -> None:
    assert key(model) == key(model)
    model.rename(tmp_path / "elsewhere")
    assert key(tmp_path / "elsewhere") == key(save_tiny(tmp_path / "again", chat_template="{{ messages[0].content }}"))


@pytest.mark.parametrize("what", CHANGED_FILES)
def test_a_changed_file_of_the_model_changes_the_key(model: Path, what: str) -> None:
    before = key(model)
    CHANGED_FILES[what](model)
    assert key(model) != before


@pytest.mark.parametrize(
    "choice", [{"dtype": "bfloat16"}, {"threads": 1}, {"threads": 3}, {"batch": 2}, {"device": "cuda"}]
)
def test_how_the_model_runs_changes_the_key(model: Path, choice: dict[str, Any]) -> None:
    assert key(model, **{"threads": 2, **choice}) != key(model, threads=2)


@pytest.mark.parametrize(
    "change",
    [
        {"prompts": ["an apple "]},
        {"prompts": ["an apple", "a day"]},
        {"prompts": [{"text": "an apple", "label": "fruit"}]},
        {"prompts": [{"messages": [{"role": "user", "content": "an apple"}]}]},
        {"top_k": 6},
        {"continue": 2},
        {"seed": 1},
    ],
)
def test_a_prompt_or_an_option_changes_the_key(model: Path, change: dict[str, Any]) -> None:
    assert key(model, LENS | change) != key(model)


def test_an_option_written_out_as_its_default_is_the_same(model: Path) -> None:
    assert key(model, LENS | {"top_k": 5}) == key(model)


def test_the_probe_and_its_version_change_the_key(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = key(model)
    assert key(model, {"probe": "attention_grid", "prompts": ["an apple"]}) != before
    monkeypatch.setattr(logit_lens.LogitLens, "version", logit_lens.LogitLens.version + 1)
    assert key(model) != before


@pytest.mark.parametrize("library", module.LIBRARIES)
def test_another_version_of_a_library_changes_the_key(
    model: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    before, installed = key(model), module.version
    monkeypatch.setattr(module, "version", lambda name: "0.0.1" if name == library else installed(name))
    assert key(model) != before


def test_definitions_change_the_key(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = key(model)
    monkeypatch.setattr(module, "DEFINITIONS", 0)
    assert key(model) != before


def test_another_processor_changes_the_key(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = key(model)
    monkeypatch.setattr(module, "hardware", lambda kind: f"{kind} of another make")
    assert key(model) != before


def test_the_revision_changes_the_key(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from reportgen.running import plan

    before, found = key(model), plan.locate
    monkeypatch.setattr(plan, "locate", lambda *asked: replace(found(*asked), revision="abc123"))
    assert key(model) != before


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    return save_tiny(tmp_path / "changed", seed=1)


def pair_key(base: Path, other: Path, ids: tuple[str, str] = ("a", "b"), **options: Any) -> str:
    """The key of a pair's probe; `options` of a model go by its place."""
    for folder in (base, other):
        weights_sha256(folder)
    models = {
        id: {"source": str(folder), **options.get(place, {})}
        for id, folder, place in zip(ids, (base, other), ("base_model", "other_model"), strict=True)
    }
    probe = {"probe": "drift", "base": ids[0], "other": ids[1], "prompts": ["an apple a day"]}
    battery = read_battery(json.dumps({"models": models, "probes": {"p": probe | options.get("probe", {})}}))
    (pair,) = make_plan(battery, cache=OutcomeCache()).pairs
    known = [model.readied.conditions for model in pair.models if model.readied is not None]
    return make_outcome_key([one for one in known if one is not None], battery.probes["p"])


def test_a_pair_is_keyed_by_both_of_its_models_in_their_order(model: Path, changed: Path) -> None:
    key_of_pair = pair_key(model, changed)
    assert pair_key(model, changed) == key_of_pair
    assert pair_key(changed, model) != key_of_pair
    assert pair_key(model, model) != key_of_pair != pair_key(changed, changed)


def test_ids_of_a_pair_are_not_part_of_its_key(model: Path, changed: Path) -> None:
    assert pair_key(model, changed, ids=("exact", "tuned")) == pair_key(model, changed)


@pytest.mark.parametrize("place", ["base_model", "other_model"])
def test_how_either_model_of_a_pair_runs_changes_the_key(model: Path, changed: Path, place: str) -> None:
    assert pair_key(model, changed, **{place: {"dtype": "bfloat16"}}) != pair_key(model, changed)


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("what", CHANGED_FILES)
def test_a_changed_file_of_either_model_of_a_pair_changes_the_key(
    model: Path, changed: Path, what: str, which: int
) -> None:
    before = pair_key(model, changed)
    CHANGED_FILES[what]((model, changed)[which])
    assert pair_key(model, changed) != before


def test_options_of_a_pair_change_its_key(model: Path, changed: Path) -> None:
    assert pair_key(model, changed, probe={"special_tokens": "include"}) != pair_key(model, changed)


def test_a_tokenizer_of_no_end_is_a_line(model: Path) -> None:
    with (model / "tokenizer.json").open("ab") as stream:
        stream.truncate(1 << 40)
    weights_sha256(model)
    battery = read_battery(json.dumps({"models": {"m": str(model)}, "probes": {"p": LENS}}))
    with pytest.raises(ModelError, match="it is larger than 200 MB"):
        make_plan(battery)


def test_results_from_before_answers_were_read_are_kept_where_there_are_none(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare, answered = LENS, {**LENS, "prompts": [{"text": "an apple", "answers": " a"}]}
    now = [key(model, probe) for probe in (bare, answered)]
    monkeypatch.setattr(LogitLens, "reads_answers", False)
    before = [key(model, probe) for probe in (bare, answered)]
    assert now[0] == before[0]
    assert now[1] != before[1]
