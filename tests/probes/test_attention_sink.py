from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from reportgen.errors import BatteryError
from reportgen.numerals import write_ranges
from reportgen.numerics.outliers import flag_massive, median_magnitude
from reportgen.probes.attention_sink import FirstKey, probe
from reportgen.probes.attention_sink.run import uniform_importance
from reportgen.results.quantities import Outcome
from reportgen.results.section import ModelCard, Section
from tests.reference import attention_sink as slow
from tests.reference import plain
from tests.runs import run_probes
from tests.tiny import random_model, save_tiny, tokenizer_json

TEXT = "I ate an apple for breakfast"
LONG = "the apple of my eye " * 4


def sinks(source: Path, *prompts: Any) -> Outcome:
    probes = {"s": {"probe": "attention_sink", "prompts": list(prompts)}}
    outcome = run_probes({"m": source}, probes).outcomes["s"]["m"]
    assert outcome.status == "ok", outcome.reason
    return outcome


def ids_of(text: str, bos: bool) -> list[int]:
    return Tokenizer.from_str(tokenizer_json(bos)).encode(text).ids


def told(outcome: Outcome) -> str:
    return probe.statement(Section("s", {"m": outcome}, {"m": ModelCard("m", "Tiny", "X", 3)}))


FAMILIES = [("llama", 0, True), ("gemma3", 1, False), ("gpt2", 2, True)]


@pytest.mark.parametrize(("family", "seed", "bos"), FAMILIES)
def test_importance_against_loops(family: str, seed: int, bos: bool, request: pytest.FixtureRequest) -> None:
    outcome = sinks(request.getfixturevalue(family), TEXT, LONG)
    for prompt, text in enumerate((TEXT, LONG)):
        expected = slow.importance(random_model(family, seed), ids_of(text, bos))
        assert outcome.arrays["importance"].values[prompt] == pytest.approx(np.array(expected), abs=1e-6)
    share = np.mean(outcome.arrays["importance"].values > 0.3)
    assert outcome.metrics["sink_share"].value == pytest.approx(share)


@pytest.mark.parametrize("wrong", [{"first_query": 1}, {"over": "row"}])
def test_a_wrong_importance_is_caught(llama: Path, wrong: dict[str, Any]) -> None:
    expected = slow.importance(random_model("llama"), ids_of(TEXT, True), **wrong)
    assert sinks(llama, TEXT).arrays["importance"].values[0] != pytest.approx(np.array(expected), abs=1e-2)


@pytest.mark.parametrize(("family", "seed", "bos"), FAMILIES)
def test_the_largest_activations_against_loops(
    family: str, seed: int, bos: bool, request: pytest.FixtureRequest
) -> None:
    outcome = sinks(request.getfixturevalue(family), TEXT)
    rows = plain.residuals(random_model(family, seed), family, ids_of(TEXT, bos))
    records = outcome.tables["activations"].records()
    assert len(records) == 3 * len(rows)
    for layer, stream in enumerate(rows):
        largest, median = slow.extremes(stream)
        found = [r for r in records if r["layer"] == layer]
        assert [(r["position"], r["dimension"]) for r in found] == [(at, dim) for _, at, dim, _ in largest]
        assert [r["value"] for r in found] == pytest.approx([value for *_, value in largest], rel=1e-4)
        assert outcome.arrays["median"].values[0, layer] == pytest.approx(median, rel=1e-4)
        assert slow.extremes(stream, signed_median=True)[1] != pytest.approx(median, rel=0.1)
        assert not any(r["massive"] for r in found)


def test_uniform_causal_attention_over_64_tokens_gives_0_0741() -> None:
    uniform = torch.tril(torch.ones(2, 64, 64)) / torch.arange(1, 65)[:, None]
    kept = FirstKey()
    (importance,) = kept.finish(kept.update(kept.init(), uniform, index=0, step=0))
    assert importance.tolist() == pytest.approx([0.0741, 0.0741], abs=5e-5)
    assert uniform_importance(64) == pytest.approx(0.0741, abs=5e-5)


def test_massive_is_over_100_and_over_1000_times_the_median() -> None:
    values = np.array([99.0, 101.0, -5000.0, 150.0])
    assert flag_massive(values, np.array(0.05)).tolist() == [False, True, True, True]
    assert flag_massive(values, np.array(0.12)).tolist() == [False, False, True, True]
    assert flag_massive(values, np.array(2.0)).tolist() == [False, False, True, False]
    assert median_magnitude(np.array([[-3.0, 1.0], [2.0, 100.0]])) == 2.0


def test_sliding_windows_are_told_from_full_attention_and_cannot_see_the_first_token(tmp_path: Path) -> None:
    outcome = sinks(save_tiny(tmp_path / "oss", "gpt_oss"), LONG)
    blocks = outcome.tables["blocks"].records()
    length = outcome.tables["sinks"].records()[0]["token_count"]
    assert length > 16
    assert [(b["attention"], b["window"]) for b in blocks] == [("sliding window", 8), ("full", None), ("full", None)]
    assert [b["sees_first"] for b in blocks] == [8 / length, 1.0, 1.0]
    assert outcome.arrays["importance"].values[0, 0].max() <= 8 / length


def test_without_layer_types_a_window_holds_for_every_block(tmp_path: Path, llama: Path) -> None:
    mistral = sinks(save_tiny(tmp_path / "mistral", "mistral"), TEXT)
    assert [(b["attention"], b["window"]) for b in mistral.tables["blocks"].records()] == [("sliding window", 16)] * 3
    assert sinks(llama, TEXT).tables["blocks"].column("attention") == ["full"] * 3


def test_what_stands_first_is_named(llama: Path, gemma3: Path) -> None:
    with_bos, without = sinks(llama, TEXT).tables["sinks"].records()[0], sinks(gemma3, TEXT).tables["sinks"].records()
    assert (with_bos["token"], with_bos["special"], with_bos["heads"]) == ("<bos>", True, 12)
    assert (without[0]["token"], without[0]["special"]) == ("I", False)


def test_a_chat_goes_through_the_template(tmp_path: Path) -> None:
    template = "{% for m in messages %}<bos>{{ m.content }}{% endfor %}"
    folder = save_tiny(tmp_path / "chat", chat_template=template)
    chat = sinks(folder, {"messages": [{"role": "user", "content": TEXT}]})
    assert np.array_equal(chat.arrays["importance"].values, sinks(folder, TEXT).arrays["importance"].values)


def test_a_short_prompt_makes_no_clear_statement(llama: Path) -> None:
    told_of_heads = "No clear statement about the heads of Tiny: a prompt of 2 tokens is too short to tell a sink. "
    assert told(sinks(llama, "an")).startswith(told_of_heads + "No activation is massive; ")
    assert "heads" not in told(sinks(llama, LONG)).split(".")[1]


def test_a_prompt_beyond_the_context_and_a_model_without_attention_are_refused(llama: Path, tmp_path: Path) -> None:
    with pytest.raises(BatteryError, match=r"probes\.s: a prompt of \d+ tokens exceeds the context of 512"):
        sinks(llama, "apple day " * 300)
    with pytest.raises(BatteryError, match="MambaForCausalLM has no attention"):
        sinks(save_tiny(tmp_path / "mamba", "mamba"), TEXT)
    with pytest.raises(BatteryError, match="prompts"):
        run_probes({"m": llama}, {"s": {"probe": "attention_sink", "prompts": []}})


def test_layers_are_told_as_ranges() -> None:
    assert write_ranges([3, 4, 5, 9, 11, 12]) == "3–5, 9 and 11–12"
