from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from reportgen.errors import BatteryError
from tests.reference import plain
from tests.runs import run_probes
from tests.tiny import random_model, tokenizer_json

WORDS = ["apple", "breakfast", "day", "eye", "I", "my"]


def test_against_the_singular_values_of_the_reference_rows(llama: Path) -> None:
    probes = {"map": {"probe": "pca_map", "prompts": WORDS}}
    outcome = run_probes({"m": llama}, probes).outcomes["map"]["m"]
    assert outcome.status == "ok", outcome.reason
    network, tokenizer = random_model("llama"), Tokenizer.from_str(tokenizer_json())
    rows = np.stack([plain.residuals(network, "llama", tokenizer.encode(w).ids)[:, -1].numpy() for w in WORDS], 1)
    assert outcome.arrays["points"].values.shape == (4, 6, 2)
    for layer, at in enumerate(rows.astype(np.float64)):
        u, s, _ = np.linalg.svd(at - at.mean(0), full_matrices=False)
        expected = u[:, :2] * s[:2]
        found = outcome.arrays["points"].values[layer]
        for component in range(2):
            sign = np.sign(found[:, component] @ expected[:, component])
            assert found[:, component] == pytest.approx(sign * expected[:, component], abs=1e-4)
        explained = outcome.arrays["explained_variance"].values[layer]
        assert explained == pytest.approx((s**2 / (s**2).sum())[:2], abs=1e-5)


def test_chosen_layers_are_named_by_their_coordinates(llama: Path) -> None:
    probes = {"map": {"probe": "pca_map", "prompts": [{"text": w, "group": "g"} for w in WORDS], "layers": [3, 0]}}
    outcome = run_probes({"m": llama}, probes).outcomes["map"]["m"]
    assert outcome.arrays["points"].along("layer") == (0, 3)
    assert outcome.tables["items"].rows[1] == [1, "breakfast", "g"]
    everything = run_probes({"m": llama}, {"map": {"probe": "pca_map", "prompts": WORDS}}).outcomes["map"]["m"]
    assert np.array_equal(outcome.arrays["points"].values[1], everything.arrays["points"].values[3])


def test_a_layer_out_of_range_shows_the_range(llama: Path) -> None:
    probes = {"map": {"probe": "pca_map", "prompts": WORDS, "layers": [4]}}
    with pytest.raises(BatteryError, match=r"probes\.map: layer 4 is out of range: layers go from 0 to 3"):
        run_probes({"m": llama}, probes)
