"""All six probes on every family that transformers has and we know of."""

from pathlib import Path

import numpy as np
import pytest
from running import run_probes
from tiny import FAMILIES, save_tiny

TEXTS = ["I ate an apple", "an apple a day", "the apple of my eye"]
PROBES = {
    "census": {"probe": "parameter_census"},
    "near": {"probe": "nearest_tokens", "ids": [5, 300], "k": 3},
    "word": {"probe": "word_similarity", "word": "apple", "prompts": TEXTS},
    "lens": {"probe": "logit_lens", "prompts": TEXTS, "continue": 2},
    "heads": {"probe": "attention_grid", "prompts": TEXTS[:1], "heads": [[0, 1]]},
    "map": {"probe": "pca_map", "prompts": TEXTS},
}


@pytest.mark.parametrize("family", FAMILIES)
def test_all_six_probes(family: str, tmp_path: Path) -> None:
    probes = PROBES if family != "mamba" else {id: p for id, p in PROBES.items() if id != "heads"}
    outcomes = run_probes({"m": save_tiny(tmp_path / family, family)}, probes).outcomes
    for id, by_subject in outcomes.items():
        assert by_subject["m"].status == "ok", (id, by_subject["m"].reason)
        for array in by_subject["m"].arrays.values():
            assert np.isfinite(array.values).any()
    if "heads" in outcomes:
        weights = outcomes["heads"]["m"].arrays["weights/0"].values
        sums = weights.sum(-1)
        if family == "gpt_oss":  # the sink logits take their part
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
