from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from reportgen.errors import BatteryError
from reportgen.numerics.attention import bin_patterns
from reportgen.results.quantities import Outcome
from tests.runs import run_probes
from tests.tiny import random_model, tokenizer_json

TEXT = "I ate an apple for breakfast"


def attention(source: Path, text: str = TEXT, **options: object) -> Outcome:
    probes = {"heads": {"probe": "attention_grid", "prompts": [text], **options}}
    outcome = run_probes({"m": source}, probes).outcomes["heads"]["m"]
    assert outcome.status == "ok", outcome.reason
    return outcome


@torch.no_grad()
def reference(family: str, seed: int, text: str, bos: bool) -> np.ndarray:
    """(block x head x query x key) as transformers itself gives it."""
    ids = Tokenizer.from_str(tokenizer_json(bos)).encode(text).ids
    network = random_model(family, seed)
    return torch.cat(network(torch.tensor([ids]), output_attentions=True).attentions).numpy()


@pytest.mark.parametrize(("family", "seed", "bos"), [("llama", 0, True), ("gemma3", 1, False), ("gpt2", 2, True)])
def test_against_output_attentions(family: str, seed: int, bos: bool, request: pytest.FixtureRequest) -> None:
    found = attention(request.getfixturevalue(family)).arrays["weights/0"].values
    assert found == pytest.approx(reference(family, seed, TEXT, bos), abs=1e-6)
    assert found.sum(-1) == pytest.approx(np.ones(found.shape[:3]), abs=1e-5)
    assert np.triu(found, 1).max() == 0.0


def test_sink_and_entropy_by_loops(llama: Path) -> None:
    outcome = attention(llama)
    whole = reference("llama", 0, TEXT, True).astype(np.float64)
    sinks, entropies = outcome.arrays["sink"].values[0], outcome.arrays["entropy"].values[0]
    for block, head in np.ndindex(whole.shape[:2]):
        rows = whole[block, head]
        assert sinks[block, head] == pytest.approx(np.mean([row[0] for row in rows]), abs=1e-5)
        expected = np.mean([-sum(w * np.log(w) for w in row if w > 0) for row in rows])
        assert entropies[block, head] == pytest.approx(expected, abs=1e-4)


def test_a_long_prompt_is_kept_in_bins_with_sink_and_entropy_of_the_whole(llama: Path) -> None:
    text = " ".join(["apple day"] * 150)
    outcome = attention(llama, text)
    whole = reference("llama", 0, text, True)
    assert whole.shape[-1] > 256
    assert outcome.arrays["weights/0"].values.shape == (3, 4, 256, 256)
    np.testing.assert_allclose(outcome.arrays["weights/0"].values, bin_patterns(whole, 256), rtol=0, atol=1e-5)
    assert outcome.arrays["sink"].values[0] == pytest.approx(whole[..., 0].mean(-1), abs=1e-5)


def test_a_head_that_one_model_lacks_is_a_skipped_row(llama: Path) -> None:
    outcome = attention(llama, heads=[[1, 3], [1, 4], [9, 0]][:1])
    assert outcome.tables["skipped"].rows == []
    with pytest.raises(BatteryError, match=r"'1\.4' can be used in no model: heads go from 0 to 3"):
        attention(llama, heads=[[1, 4]])
    with pytest.raises(BatteryError, match=r"'9\.0' can be used in no model: blocks go from 0 to 2"):
        attention(llama, heads=[[9, 0]])


@pytest.mark.real
def test_smollm2_parks_its_attention_on_the_first_word() -> None:
    # counted by hand before this project: 246 of SmolLM2's 270 heads
    probes = {"h": {"probe": "attention_grid", "prompts": ["The apple is green. What color is the apple?"]}}
    outcome = run_probes({"m": "demo:smollm2-135m-instruct"}, probes).outcomes["h"]["m"]
    sink = outcome.arrays["sink"].values
    assert sink.shape == (1, 30, 9)
    assert int((sink > 0.3).sum()) == 246
    assert outcome.tables["tokens"].rows[0] == [0, 0, "The"]


def test_a_prompt_too_short_to_tell_a_sink_makes_no_clear_statement(llama: Path) -> None:
    from reportgen.probes.attention_grid import probe
    from reportgen.results.section import ModelCard, Section

    cards = {"m": ModelCard("m", "Tiny", "X", 3)}
    none = probe.statement(Section("h", {"m": attention(llama, "an")}, cards))
    assert none == "No clear statement about Tiny: a prompt of 2 tokens is too short to tell a sink."
    told = probe.statement(Section("h", {"m": attention(llama, "the apple of my eye " * 3)}, cards))
    assert told.startswith("In Tiny, ")
    assert "“<bos>”" in told
    assert told.endswith(" of 12.")
