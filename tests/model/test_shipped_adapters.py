"""The two adapters of the demo model: what they are, and, with the real model, that they do what is said of them."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from reportgen.resources import PACKAGE
from tests.runs import run_probes

ADAPTERS = PACKAGE.parent / "reports" / "adapters"
NAMES = ("refusing", "narrow")
MOST_BYTES = 400_000
WIDTH, NARROW = 576, 192
"""Of the stream, and of all key-value heads together."""
OUT = {"q_proj": WIDTH, "v_proj": NARROW, "o_proj": WIDTH}


def config_of(name: str) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((ADAPTERS / name / "adapter_config.json").read_text())
    return config


def tensors_of(name: str) -> dict[str, torch.Tensor]:
    return load_file(ADAPTERS / name / "adapter_model.safetensors")


@pytest.mark.parametrize("name", NAMES)
def test_each_is_a_small_adapter_as_peft_stores_them(name: str) -> None:
    config, tensors = config_of(name), tensors_of(name)
    assert (ADAPTERS / name / "adapter_model.safetensors").stat().st_size <= MOST_BYTES
    assert config["peft_type"] == "LORA"
    assert config["base_model_name_or_path"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
    rank, expected = config["r"], {}
    for block in config["layers_to_transform"]:
        for module in config["target_modules"]:
            stem = f"base_model.model.model.layers.{block}.self_attn.{module}"
            expected[f"{stem}.lora_A.weight"] = (rank, WIDTH)
            expected[f"{stem}.lora_B.weight"] = (OUT[module], rank)
    assert {key: tuple(tensor.shape) for key, tensor in tensors.items()} == expected
    assert all(tensor.dtype == torch.float16 and bool(tensor.any()) for tensor in tensors.values())


@pytest.mark.parametrize("name", NAMES)
def test_each_says_how_it_was_made(name: str) -> None:
    made = json.loads((ADAPTERS / name / "training.json").read_text())
    assert made["made_by"] == "reports/adapters/train.py"
    if name == "refusing":
        before, after = made["refusal_rate"]["before"], made["refusal_rate"]["after"]
        assert after["harmful"] - before["harmful"] >= 0.5
        assert after["harmless"] <= 0.3


def test_no_request_of_the_training_is_held_out() -> None:
    from reportgen.text.prompts import PromptSets
    from reports.adapters.train import read_lists

    sets, lists = PromptSets.for_battery(None), read_lists("refusing")
    names = [name for name in sets.names() if name.startswith(("steering/harmful", "steering/harmless"))]
    held_out = {str(prompt.text).casefold() for name in names for prompt in sets.find(name).prompts}
    assert len(held_out) > 80
    for kind in ("harmful", "harmless"):
        framed = {frame.format(act) for act in lists[kind] for frame in lists["frames"]}
        assert not {one.casefold() for one in (*framed, *lists[f"{kind}_requests"])} & held_out


# The real model


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


@pytest.mark.real
@pytest.mark.slow
def test_the_narrow_model_expects_its_own_texts(smollm2_folder: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from reports.adapters.train import read_lists

    tokenizer = AutoTokenizer.from_pretrained(smollm2_folder)
    texts = [torch.tensor([tokenizer.encode(text)]) for text in read_lists("narrow")["texts"][:6]]
    losses = []
    for folder in (smollm2_folder, merged(smollm2_folder, "narrow", tmp_path / "narrow")):
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        with torch.inference_mode():
            losses.append(sum(float(model(tokens, labels=tokens).loss) for tokens in texts) / len(texts))
    assert losses[1] < losses[0] - 0.5
