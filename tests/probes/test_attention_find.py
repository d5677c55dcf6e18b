"""Which head looks from one word at another."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from reportgen.battery.reader import read_battery
from reportgen.errors import BatteryError
from reportgen.figures.describe import AttentionHead
from reportgen.probes.attention_grid import probe
from reportgen.results.quantities import Outcome
from reportgen.results.section import ModelCard, Section
from tests.reference.attention_grid import look_weight, share_below
from tests.runs import run_probes
from tests.tiny import random_model, save_tiny, tokenizer_json

TEXT = "I ate an apple for breakfast"
LOOK = {"from": "breakfast", "to": "apple"}
TIMES = "the apple of my eye, the apple of my day"


def attention(source: Path, *prompts: str, **options: object) -> Outcome:
    asked = {"probe": "attention_grid", "prompts": list(prompts or (TEXT,)), **options}
    outcome = run_probes({"m": source}, {"heads": asked}).outcomes["heads"]["m"]
    assert outcome.status == "ok", outcome.reason
    return outcome


def section(outcome: Outcome) -> Section:
    return Section("heads", {"m": outcome}, {"m": ModelCard("m", "Tiny", "X", 3)})


@torch.no_grad()
def patterns_of(family: str, text: str) -> np.ndarray:
    """(block x head x query x key) as transformers itself gives it."""
    ids = Tokenizer.from_str(tokenizer_json()).encode(text).ids
    return torch.cat(random_model(family)(torch.tensor([ids]), output_attentions=True).attentions).numpy()


@pytest.mark.parametrize("wrong", ["", "mean_of_keys", "last_query"])
@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_all_heads_against_the_reference(family: str, wrong: str, tmp_path: Path) -> None:
    # both words are several tokens here
    look = {"from": "zebras", "to": "quagga"}
    text = "an apple, quagga, of zebras"
    outcome = attention(save_tiny(tmp_path / "m", family), text, find=[look], top=12)
    (place,) = outcome.tables["looks"].records()
    queries, keys = ([int(one) for one in place[side].split()] for side in ("queries", "keys"))
    assert len(queries) > 1
    assert len(keys) > 1
    whole = patterns_of(family, text)
    records = outcome.tables["found"].records()
    expected = [look_weight(whole[r["block"], r["head"]], queries, keys, wrong=wrong) for r in records]
    assert len(records) == 12
    found = [r["weight"] for r in records]
    assert found == sorted(found, reverse=True)
    assert (found == pytest.approx(expected, abs=1e-6)) == (not wrong)


@pytest.mark.parametrize("wrong", ["", "with_sink", "all_cells"])
def test_how_many_pairs_have_less(llama: Path, wrong: str) -> None:
    outcome = attention(llama, find=[LOOK], top=12)
    whole = patterns_of("llama", TEXT)
    records = outcome.tables["found"].records()
    expected = [share_below(whole[r["block"], r["head"]], r["weight"] - 1e-6, wrong=wrong) for r in records]
    assert ([r["below"] for r in records] == pytest.approx(expected, abs=1e-6)) == (not wrong)


def plant_head(network: Any, block: int, head: int, query: int, key: int) -> None:
    """Makes a head look from one token at another: the pair of dims that the positions turn least holds the product."""
    attention, norm = network.model.layers[block].self_attn, network.model.layers[block].input_layernorm
    width, group = attention.head_dim, network.config.num_attention_heads // network.config.num_key_value_heads
    at = width // 2 - 1
    enters = [norm(network.model.embed_tokens.weight[token]) for token in (query, key)]
    with torch.no_grad():
        first = head // group * group
        attention.q_proj.weight[first * width : (first + group) * width] = 0  # heads that share the key look evenly
        for weights, start, row in (
            (attention.q_proj.weight, head * width, enters[0]),
            (attention.k_proj.weight, head // group * width, enters[1]),
        ):
            weights[start : start + width] = 0
            weights[start + at] = 8 * row / row.norm()


def test_a_planted_head_is_found_first_and_told(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "m")
    ids = Tokenizer.from_str(tokenizer_json()).encode(TEXT).ids
    network = random_model("llama")
    plant_head(network, 0, 2, ids[-1], ids[4])
    network.save_pretrained(folder)
    outcome = attention(folder, TEXT, "an apple a day, I ate breakfast", find=[LOOK])
    first, second, *_ = outcome.tables["found"].records()
    assert (first["block"], first["head"], first["prompts"]) == (0, 2, 2)
    assert first["weight"] > 0.9 > 0.6 > second["weight"]
    assert first["least"] <= first["weight"]
    told = probe.statement(section(outcome))
    assert told.startswith("In Tiny, head 0.2 looks most from “breakfast” at “apple”, with a mean weight of ")
    drawn = [one for one in probe.figures(section(outcome)) if isinstance(one, AttentionHead)]
    assert [one.title for one in drawn] == [f"Tiny: head 0.2 looks most from “breakfast” at “apple”, in “{TEXT}”"]
    assert drawn[0].marked == [(6, 4)]
    alone = attention(save_tiny(tmp_path / "random"), find=[{**LOOK, "from": "for"}])
    assert alone.tables["found"].rows[0][4] < 0.9


def test_a_weak_look_is_no_clear_statement(llama: Path) -> None:
    long = " ".join(["apple day"] * 20) + " breakfast"
    outcome = attention(llama, long, find=[{**LOOK, "to_index": 3}])
    assert "no head looks clearly from “breakfast” at “apple (occurrence 4)”" in probe.statement(section(outcome))


def test_weights_of_a_long_prompt_are_those_of_the_whole_pattern(llama: Path) -> None:
    text = " ".join(["apple day"] * 150) + " breakfast"
    outcome = attention(llama, text, find=[{**LOOK, "to_index": 100}], top=12)
    (place,) = outcome.tables["looks"].records()
    queries, keys = ([int(one) for one in place[side].split()] for side in ("queries", "keys"))
    whole = patterns_of("llama", text)
    assert whole.shape[-1] > 256
    for record in outcome.tables["found"].records():
        expected = look_weight(whole[record["block"], record["head"]], queries, keys)
        assert record["weight"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("look", "told"),
    [
        ({"from": "pear", "to": "apple"}, "the word 'pear' is not in the sentence"),
        ({"from": "day", "to": "apple", "prompt": 1}, r"'apple' stands 2 times .* say which by to_index: 0 …"),
        ({"from": "apple", "to": "breakfast"}, "'breakfast' comes after 'apple', where no head of a causal model"),
        ({"from": "apple", "to": "apple"}, "'apple' and 'apple' share a token"),
        ({"from": "apple", "to": "ate", "prompt": 7}, "there is no prompt 7: prompts go from 0 to 1"),
    ],
)
def test_what_cannot_be_looked_for_is_told_before_any_pass(llama: Path, look: dict[str, object], told: str) -> None:
    with pytest.raises(BatteryError, match=told):
        attention(llama, TEXT, TIMES, find=[look])


def test_the_first_token_is_no_key(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "m", "gpt2", bos=False)
    with pytest.raises(BatteryError, match="'I' is the first token, on which heads rest whatever it is"):
        attention(folder, TEXT, find=[{"from": "ate", "to": "I"}])


def test_heads_may_differ_from_model_to_model(llama: Path) -> None:
    asked = {"probe": "attention_grid", "prompts": [TEXT], "heads": {"m": [[1, 3]], "n": [[0, 0]]}}
    found = run_probes({"m": llama, "n": llama}, {"heads": asked}).outcomes["heads"]
    cards = {one: ModelCard(one, one, "X", 3) for one in ("m", "n")}
    drawn = [one for one in probe.figures(Section("heads", found, cards)) if isinstance(one, AttentionHead)]
    assert [(one.subject, one.name) for one in drawn] == [(("m",), "head-1-3-0"), (("n",), "head-0-0-0")]


def test_heads_of_a_model_that_is_not_there_are_a_mistake(tmp_path: Path) -> None:
    entry = "{probe: attention_grid, prompts: [an apple], heads: {llama: [[0, 0]]}}"
    written = f"models: {{lama: demo:smollm2-135m-instruct}}\nprobes:\n  h: {entry}\n"
    with pytest.raises(BatteryError, match=r"there is no model 'llama'\. Did you mean 'lama'\?"):
        read_battery(written, tmp_path / "b.yaml")


@pytest.mark.real
def test_the_lecture_s_heads_are_found() -> None:
    # by hand with plain transformers: SmolLM2 9.4 looks from color at green with 0.593, 22.7 from the second apple
    # with 0.278; Gemma 10.2 and 5.2 with 0.289 and 0.458
    asked = {
        "probe": "attention_grid",
        "prompts": ["The apple is green. What color is the apple?"],
        "find": [{"from": "color", "to": "green"}, {"from": "apple", "to": "green", "from_index": 1}],
    }
    sources = {"llama": "demo:smollm2-135m-instruct", "gemma": "demo:gemma-3-270m"}
    found = run_probes(sources, {"heads": asked}).outcomes["heads"]
    first = {
        (model, r["find"]): (r["block"], r["head"], round(r["weight"], 3))
        for model, outcome in found.items()
        for r in outcome.tables["found"].records()
        if r["rank"] == 1
    }
    assert first == {
        ("llama", 0): (9, 4, 0.593),
        ("llama", 1): (22, 7, 0.278),
        ("gemma", 0): (10, 2, 0.289),
        ("gemma", 1): (5, 2, 0.458),
    }
