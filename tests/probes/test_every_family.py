"""All probes on every family that transformers has and we know of."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from reportgen.probes.registry import find
from reportgen.results.section import ModelCard, Section
from tests.all_probes import CHANGING, FIRST, READING, TEXTS, sparse
from tests.reference.plain import PARTS
from tests.runs import run_probes
from tests.tiny import FAMILIES, LAYERS, save_tiny
from tests.tiny_dictionaries import save_dictionaries

DISTINCT = {"gemma3", "gpt_oss"}
"""Families of which blocks are built most differently; the others run with the slow tests."""
UNMEASURABLE = {
    "mamba": {
        "heads",
        "sinks",
        "copies",
        "parts",
        "answer",
        "memories",
        "inside",
        "patched",
        "ablated",
        "shares",
        "refused",
    },
    "falcon": {"parts"},
    "bloom": {"parts"},
    "mixtral": {"memories"},
    "qwen3_moe": {"memories"},
    "gpt_oss": {"memories"},
}
"""Family -> the probes that it has no place for; each is skipped with the reason."""


@pytest.mark.parametrize(
    "family", [family if family in DISTINCT else pytest.param(family, marks=pytest.mark.slow) for family in FAMILIES]
)
def test_every_probe_measures_a_model_or_says_why_not(family: str, tmp_path: Path) -> None:
    models = {"m": save_tiny(tmp_path / family, family), "l": save_tiny(tmp_path / "llama", "llama", seed=2)}
    dictionaries = save_dictionaries(tmp_path / "dictionaries", layers=[2])
    outcomes = run_probes(models, FIRST | READING | CHANGING | sparse(dictionaries)).outcomes
    found = {id: by_subject["m"] for id, by_subject in outcomes.items()}
    assert {id: one.reason for id, one in found.items() if one.status == "failed"} == {}
    skipped = {id: one.reason for id, one in found.items() if one.status == "skipped"}
    assert set(skipped) == UNMEASURABLE.get(family, set()), skipped
    assert all(len(reason.splitlines()) == 1 for reason in skipped.values())
    for id, one in found.items():
        # a random model may not tell two prompts apart, nor have a second feature that fires
        if one.status == "ok" and id not in ("patched", "clamped"):
            assert all(np.isfinite(array.values).any() for array in one.arrays.values() if array.values.size), id
    if found["heads"].status == "ok":
        rows_sum_to_one(found["heads"].arrays["weights/0"].values, has_sink_logits=family == "gpt_oss")
    section = Section("x", {"m": found["states"]}, {"m": ModelCard("m", "Tiny", family, LAYERS)})
    assert find("hidden_states").statement(section)


def rows_sum_to_one(weights: np.ndarray, *, has_sink_logits: bool) -> None:
    sums = weights.sum(-1)
    if has_sink_logits:  # they take their part
        assert (sums > 0).all()
        assert (sums < 1).all()
        assert sums.min() < 0.9
    else:
        assert sums == pytest.approx(np.ones_like(sums), abs=1e-5)


def test_attention_of_a_model_without_any_is_skipped_with_the_reason(tmp_path: Path) -> None:
    models = {"m": save_tiny(tmp_path / "mamba", "mamba"), "l": save_tiny(tmp_path / "llama", "llama")}
    outcomes = run_probes(models, {"heads": FIRST["heads"]}).outcomes["heads"]
    assert outcomes["l"].status == "ok"
    assert outcomes["m"].status == "skipped"
    assert outcomes["m"].reason == "the architecture MambaForCausalLM has no attention"


@pytest.mark.parametrize(
    "family", [family if family in DISTINCT else pytest.param(family, marks=pytest.mark.slow) for family in FAMILIES]
)
def test_drift_of_a_copy_whose_last_block_moved(family: str, tmp_path: Path) -> None:
    base = save_tiny(tmp_path / "base", family)
    moved = shutil.copytree(base, tmp_path / "moved")
    network = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, local_files_only=True)
    with torch.no_grad():
        for parameter in network.get_submodule(PARTS[family].blocks)[LAYERS - 1].parameters():
            parameter.mul_(1 + 0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    network.save_pretrained(moved)
    probes = {"drift": {"probe": "drift", "base": "a", "other": "b", "prompts": TEXTS}}
    outcome = run_probes({"a": base, "b": moved}, probes).outcomes["drift"]["a..b"]
    assert outcome.status == "ok", outcome.reason
    assert outcome.metrics["first_changed_layer"].value == LAYERS
    assert outcome.arrays["relative_change"].values[:LAYERS].tolist() == [0.0] * LAYERS
    assert outcome.arrays["relative_change"].values[LAYERS] > 1e-3
    assert outcome.metrics["kl"].value > 0
    assert {row["block"] for row in outcome.tables["weights"].records() if row["change"]} == {LAYERS - 1}
    assert not outcome.tables["skipped"].rows


CHAT = "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"


def test_every_probe_of_prompts_reads_a_chat_as_well(tmp_path: Path) -> None:
    asked = [{"messages": [{"role": "user", "content": text}], "word": "apple"} for text in TEXTS]
    with_words = {"word_similarity"}
    chats = [{"messages": one["messages"], "answers": " a"} for one in asked]
    probes = {
        id: {**entry, **{key: asked if entry["probe"] in with_words else chats for key in ("prompts",) if key in entry}}
        for id, entry in (FIRST | READING).items()
    }
    probes["labelled"]["prompts"] = [
        {"messages": [{"role": "user", "content": prompt["text"]}], "label": prompt["label"]}
        for prompt in READING["labelled"]["prompts"]
    ]
    probes["kinds"]["prompts"] = [{**chat, "group": group} for chat, group in zip(chats * 2, "aabbab", strict=True)]
    reading = {id: entry for id, entry in probes.items() if "prompts" in entry}
    models = {"m": save_tiny(tmp_path / "m", chat_template=CHAT), "base": save_tiny(tmp_path / "base", seed=1)}
    outcomes = run_probes(models, reading).outcomes
    assert {id: by["m"].reason for id, by in outcomes.items() if by["m"].status != "ok"} == {}
    without = {id: by["base"].reason for id, by in outcomes.items()}
    assert all(by["base"].status == "skipped" for by in outcomes.values()), without
    assert all("no chat template" in reason for reason in without.values()), without
