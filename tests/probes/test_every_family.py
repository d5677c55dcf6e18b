"""All probes on every family that transformers has and we know of."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from reference.plain import PARTS
from running import run_probes
from tiny import FAMILIES, LAYERS, save_tiny
from tiny_dictionaries import save_dictionaries

from reportgen.probes.base import ModelCard, Section
from reportgen.registry import find

TEXTS = ["I ate an apple", "an apple a day", "the apple of my eye"]
PROBES = {
    "census": {"probe": "parameter_census"},
    "near": {"probe": "nearest_tokens", "ids": [5, 300], "k": 3},
    "word": {"probe": "word_similarity", "word": "apple", "prompts": TEXTS},
    "lens": {"probe": "logit_lens", "prompts": TEXTS, "continue": 2},
    "heads": {"probe": "attention_grid", "prompts": TEXTS[:1], "heads": [[0, 1]]},
    "map": {"probe": "pca_map", "prompts": TEXTS},
}


READING = {
    "tokens": {"probe": "tokenization", "prompts": TEXTS},
    "weights": {"probe": "weights", "tensor": "*", "spectrum": True},
    "states": {"probe": "hidden_states", "prompts": ["an apple a day", "an apple a"]},
    "next": {"probe": "next_token", "prompts": TEXTS},
    "words": {
        "probe": "embedding_arithmetic",
        "pairs": [["apple", "day"], ["eye", "my"]],
        "layers": "all",
        "pool": "mean",
    },
    "concept": {"probe": "concept_sum", "concepts": [["apple", "day"]], "prompts": TEXTS, "pool": "mean"},
    "written": {"probe": "generation_lens", "prompts": TEXTS[:1], "continue": 3},
    "sinks": {"probe": "attention_sink", "prompts": TEXTS},
    "copies": {"probe": "head_scores", "length": 8, "sequences": 1},
    "parts": {"probe": "attention_parts", "prompts": TEXTS, "heads": [[0, 1]]},
    "answer": {"probe": "attribution", "prompts": TEXTS},
    "memories": {"probe": "ffn_memory", "prompts": TEXTS, "texts": TEXTS},
    "inside": {"probe": "logit_lens", "prompts": TEXTS, "rows": ["block", "attention", "mlp"]},
}
CHANGING = {
    "steered": {
        "probe": "steering",
        "towards": TEXTS[:2],
        "away": ["an eye", "a day"],
        "prompts": ["the apple for breakfast", "I ate"],
        "score": "cosine",
        "coefficients": [1.0],
        "continue": 2,
    },
    "scope": {"probe": "patchscope", "prompts": TEXTS[:1], "targets": ["identity"], "continue": 2},
    "patched": {
        "probe": "activation_patching",
        "prompts": [
            {"text": "an apple a day", "pair": "one", "group": "clean"},
            {"text": "an apple an day", "pair": "one", "group": "corrupted"},
        ],
        "answers": [["a", "I"]],
    },
    "ablated": {"probe": "ablation", "prompts": TEXTS},
}
SPARSE = {
    "features": {"probe": "sae_features", "prompts": TEXTS},
    "worth": {"probe": "sae_quality", "texts": TEXTS},
    "atlas": {"probe": "sae_atlas", "texts": TEXTS},
    "clamped": {"probe": "sae_steering", "feature": 7, "clamp": [8], "prompts": TEXTS, "continue": 2},
}
DISTINCT = {"llama", "gemma3", "gpt2", "mamba", "falcon", "bloom", "mixtral", "gpt_oss"}
"""Families of which blocks are built differently; the others run with the slow tests where numbers are compared."""
UNMEASURABLE = {
    "mamba": {"heads", "sinks", "copies", "parts", "answer", "memories", "inside", "patched", "ablated"},
    "falcon": {"parts"},
    "bloom": {"parts"},
    "mixtral": {"memories"},
    "qwen3_moe": {"memories"},
    "gpt_oss": {"memories"},
}
"""Family -> the probes that it has no place for; each is skipped with the reason."""


@pytest.mark.parametrize("family", FAMILIES)
def test_every_probe_measures_a_model_or_says_why_not(family: str, tmp_path: Path) -> None:
    models = {"m": save_tiny(tmp_path / family, family), "l": save_tiny(tmp_path / "llama", "llama", seed=2)}
    dictionaries = str(save_dictionaries(tmp_path / "dictionaries", layers=[2]))
    sparse = {id: {**options, "dictionaries": dictionaries} for id, options in SPARSE.items()}
    outcomes = run_probes(models, PROBES | READING | CHANGING | sparse).outcomes
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
    outcomes = run_probes(models, {"heads": PROBES["heads"]}).outcomes["heads"]
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
    chats = [{"messages": one["messages"]} for one in asked]
    probes = {
        id: {**entry, **{key: asked if entry["probe"] in with_words else chats for key in ("prompts",) if key in entry}}
        for id, entry in (PROBES | READING).items()
    }
    reading = {id: entry for id, entry in probes.items() if "prompts" in entry}
    models = {"m": save_tiny(tmp_path / "m", chat_template=CHAT), "base": save_tiny(tmp_path / "base", seed=1)}
    outcomes = run_probes(models, reading).outcomes
    assert {id: by["m"].reason for id, by in outcomes.items() if by["m"].status != "ok"} == {}
    without = {id: by["base"].reason for id, by in outcomes.items()}
    assert all(by["base"].status == "skipped" for by in outcomes.values()), without
    assert all("no chat template" in reason for reason in without.values()), without
