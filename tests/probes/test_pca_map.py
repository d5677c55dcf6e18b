from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from reportgen.errors import BatteryError
from reportgen.probes.registry import find
from reportgen.results.section import Section
from tests.probes.test_statements import APART, MIXED, points, section
from tests.reference import plain
from tests.runs import run_probes
from tests.tiny import random_model, tokenizer_json

WORDS = ["apple", "breakfast", "day", "eye", "I", "my"]

NEARLY = [[0, 0], [0, 1], [9, 9], [0, 2]]
"""Three of four have one of their own group next to them."""


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


@pytest.mark.parametrize(
    ("layers", "shown"),
    [
        ([APART] * 11, [0, 3, 7, 10]),
        ([MIXED] * 2 + [APART] * 9, [0, 2, 7, 10]),
        ([MIXED] * 6 + [APART] * 2 + [MIXED] * 3, [0, 3, 7, 10]),
        ([MIXED] * 4 + [APART] * 5 + [MIXED] * 2, [0, 3, 8, 10]),
        ([MIXED] * 2 + [APART] * 8 + [NEARLY], [0, 2, 9, 10]),
    ],
    ids=["spread", "from layer 2 on", "best at layer 7", "best at layer 8", "from layer 2 on, best at layer 9"],
)
def test_the_layers_that_the_sentence_names_are_among_those_with_texts(layers: list[Any], shown: list[int]) -> None:
    of: Section = section(points(*layers))
    large = next(iter(find("pca_map").figures(of)))
    assert [panel.title for panel in large.panels] == [f"layer {layer}" for layer in shown]
