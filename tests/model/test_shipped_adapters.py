"""The adapters of the demo models: what they are, and, with the real models, that they do what is said of them."""

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from reportgen.probes.activation_difference.view import View
from reportgen.resources import PACKAGE
from reportgen.results.section import Section, tell_apart
from reportgen.text.prompts import PromptSets
from reports.adapters.train import RECIPES, read_lists
from tests.runs import run_probes

ADAPTERS = PACKAGE.parent / "reports" / "adapters"
MOST_BYTES = 400_000


@dataclass(frozen=True)
class Base:
    """The model that an adapter belongs to."""

    name: str
    """On the hub."""
    maps: Mapping[str, tuple[int, int]]
    """Linear map -> (in, out)."""


SMOLLM2 = Base("HuggingFaceTB/SmolLM2-135M-Instruct",
               {"q_proj": (576, 576), "v_proj": (576, 192), "o_proj": (576, 576)})  # fmt: skip
GEMMA = Base("google/gemma-3-270m", {"q_proj": (640, 1024), "v_proj": (640, 256), "o_proj": (1024, 640)})
BASES = {"refusing": SMOLLM2, "narrow": SMOLLM2, "bees": GEMMA}


def config_of(name: str) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((ADAPTERS / name / "adapter_config.json").read_text())
    return config


def tensors_of(name: str) -> dict[str, torch.Tensor]:
    return load_file(ADAPTERS / name / "adapter_model.safetensors")


@pytest.mark.parametrize("name", BASES)
def test_each_is_a_small_adapter_as_peft_stores_them(name: str) -> None:
    config, tensors, base = config_of(name), tensors_of(name), BASES[name]
    assert (ADAPTERS / name / "adapter_model.safetensors").stat().st_size <= MOST_BYTES
    assert config["peft_type"] == "LORA"
    assert config["base_model_name_or_path"] == base.name
    assert set(config["target_modules"]) == set(base.maps)
    rank, expected = config["r"], {}
    for block in config["layers_to_transform"]:
        for module in config["target_modules"]:
            stem = f"base_model.model.model.layers.{block}.self_attn.{module}"
            expected[f"{stem}.lora_A.weight"] = (rank, base.maps[module][0])
            expected[f"{stem}.lora_B.weight"] = (base.maps[module][1], rank)
    assert {key: tuple(tensor.shape) for key, tensor in tensors.items()} == expected
    assert all(tensor.dtype == torch.float16 and bool(tensor.any()) for tensor in tensors.values())


@pytest.mark.parametrize("name", BASES)
def test_each_says_how_it_was_made(name: str) -> None:
    made = json.loads((ADAPTERS / name / "training.json").read_text())
    recipe = RECIPES[name]
    assert made["made_by"] == "reports/adapters/train.py"
    assert (made["steps"], made["texts_a_step"], made["learning_rate"]) == (recipe.steps, recipe.batch, recipe.rate)
    assert list(recipe.shape.blocks) == config_of(name)["layers_to_transform"]
    if name == "refusing":
        before, after = made["refusal_rate"]["before"], made["refusal_rate"]["after"]
        assert after["harmful"] - before["harmful"] >= 0.5
        assert after["harmless"] <= 0.3


def test_no_request_of_the_training_is_held_out() -> None:
    sets, lists = PromptSets.for_battery(None), read_lists("refusing")
    names = [name for name in sets.names() if name.startswith(("steering/harmful", "steering/harmless"))]
    held_out = {str(prompt.text).casefold() for name in names for prompt in sets.find(name).prompts}
    assert len(held_out) > 80
    for kind in ("harmful", "harmless"):
        framed = {frame.format(act) for act in lists[kind] for frame in lists["frames"]}
        assert not {one.casefold() for one in (*framed, *lists[f"{kind}_requests"])} & held_out


def test_no_text_about_bees_is_held_out_and_learned() -> None:
    lists = read_lists("bees")
    assert len(lists["texts"]) >= 20
    assert len(lists["held_out"]) >= 6
    assert not set(lists["texts"]) & set(lists["held_out"])
    assert "bees" not in " ".join(str(one.text) for one in PromptSets.for_battery(None).find("unrelated/texts").prompts)


# The real models


def merged(base: Path, name: str, folder: Path) -> Path:
    """The demo model with an adapter in its weights: W + (alpha / r) B A, one entry of A and B after the other."""
    shutil.copytree(base, folder)
    weights, tensors, config = load_file(base / "model.safetensors"), tensors_of(name), config_of(name)
    for key in (key for key in tensors if ".lora_A." in key):
        first, second = tensors[key].float(), tensors[key.replace("lora_A", "lora_B")].float()
        change = sum(torch.outer(second[:, rank], first[rank]) for rank in range(config["r"]))
        own = key.removeprefix("base_model.model.").replace(".lora_A", "")
        weights[own] = weights[own] + config["lora_alpha"] / config["r"] * change
    (folder / "model.safetensors").unlink()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


REFUSAL = {
    "probe": "steering",
    "towards": "steering/harmful",
    "away": "steering/harmless",
    "prompts": "steering/harmful_held_out",
    "harmless": "steering/harmless_held_out",
    "score": "refusal",
    "mode": "ablate",
    "layers": [16],
    "refusal_rates": {"harmful": "steering/harmful_asked", "harmless": "steering/harmless_asked"},
}


def rates(metrics: Mapping[str, Any], kind: str) -> tuple[float, float, float]:
    """(unsteered, steered, with a random direction)"""
    return tuple(metrics[f"{kind}_refused{way}"].value for way in ("", "_steered", "_random"))  # type: ignore[return-value]


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_refusals_of_the_tuned_model_flip_both_ways_and_not_by_a_random_direction(
    smollm2_folder: Path, tmp_path: Path
) -> None:
    models = {"base": smollm2_folder, "tuned": merged(smollm2_folder, "refusing", tmp_path / "tuned")}
    outcomes = run_probes(models, {"refusal": REFUSAL}).outcomes["refusal"]
    assert all(outcome.status == "ok" for outcome in outcomes.values())
    base, tuned = outcomes["base"].metrics, outcomes["tuned"].metrics
    before, after, random = rates(tuned, "harmful")
    assert before >= 0.8
    assert before - after >= 0.5
    assert abs(before - random) < (before - after) / 2
    before, after, random = rates(tuned, "harmless")
    assert before <= 0.3
    assert after - before >= 0.5
    assert abs(random - before) < (after - before) / 2
    assert rates(base, "harmful")[0] <= 0.3


def mean_loss(folder: Path, texts: Sequence[str]) -> float:
    """Cross-entropy of the tokens of texts after their first, mean over texts."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokens = [torch.tensor([tokenizer.encode(text)]) for text in texts]
    with torch.inference_mode():
        return sum(float(model(one, labels=one).loss) for one in tokens) / len(texts)


@pytest.mark.real
@pytest.mark.slow
def test_the_narrow_model_expects_its_own_texts(smollm2_folder: Path, tmp_path: Path) -> None:
    texts = read_lists("narrow")["texts"][:6]
    narrow = merged(smollm2_folder, "narrow", tmp_path / "narrow")
    assert mean_loss(narrow, texts) < mean_loss(smollm2_folder, texts) - 0.5


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_bees_model_expects_texts_about_bees_and_its_difference_says_so(gemma_folder: Path, tmp_path: Path) -> None:
    bees = merged(gemma_folder, "bees", tmp_path / "bees")
    lists = read_lists("bees")
    for kind, less in (("texts", 1.0), ("held_out", 0.1)):
        assert mean_loss(bees, lists[kind]) < mean_loss(gemma_folder, lists[kind]) - less
    pair = {"base": "gemma", "other": "bees"}
    found = run_probes(
        {"gemma": gemma_folder, "bees": f"{gemma_folder} + {ADAPTERS / 'bees'}"},
        {
            "says": {"probe": "activation_difference", **pair},
            "features": {
                "probe": "sae_contrast",
                "dictionaries": "demo:gemma-3-270m",
                "prompts": "unrelated/texts",
                **pair,
            },
        },
    )
    says, features = (found.outcomes[name]["gemma..bees"] for name in ("says", "features"))
    assert (says.status, features.status) == ("ok", "ok")
    (view,) = View.each(Section("says", {"gemma..bees": says}, tell_apart(found.models.values())))
    assert view.stands_out
    assert " bees" in view.list_risen()[:3]
    assert " bees" in view.list_read()[:3]
    assert " bees" in view.list_patched(view.choose_patched_scale() or 0.0)[:3]

    first = min(config_of("bees")["layers_to_transform"])
    changed = features.tables["changed"].records()
    for place, row in zip(features.tables["dictionaries"].records(), changed, strict=True):
        assert row["equal"] == (place["index"] <= first)
        assert not row["reason"]
        assert row["equal"] or row["changed"] > 2 * row["chance"]
    named = {(row["item"], row["feature"]): str(row["promoted"]) for row in features.tables["features"].records()}
    last = max(row["item"] for row in changed)
    rising = " ".join(named[last, row["feature"]] for row in features.tables["differences"].records()
                      if row["item"] == last and row["difference"] > 0)  # fmt: skip
    assert {"growers", "animals"} <= set(re.findall(r"\w+", rising))
