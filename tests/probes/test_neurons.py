"""Single neurons, dimensions and features, and how many neurons are off, against the same by hand."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from reportgen.errors import BatteryError
from reportgen.figures.describe import Curves, TokenGrid
from reportgen.numerics.kinds import effective_number
from reportgen.numerics.openness import count_closed, count_silent
from reportgen.probes.neurons import probe
from reportgen.results.quantities import Outcome
from reportgen.results.section import ModelCard, Section
from tests.reference import neurons as reference
from tests.runs import run_probes
from tests.tiny import random_model, save_tiny, tokenizer_json
from tests.tiny_dictionaries import save_dictionaries, save_dictionary

TEXTS = ["I ate an apple for breakfast", "an apple a day", "the apple of my eye"]
NAMED = {"neurons": [[1, 7], [2, 30]], "dimensions": [[2, 5]], "top": 4}


def found(source: Path, **options: Any) -> Outcome:
    entry = {"probe": "neurons", "prompts": TEXTS, **options}
    return run_probes({"m": source}, {"one": entry}).outcomes["one"]["m"]


def ids_of(text: str) -> list[int]:
    ids: list[int] = Tokenizer.from_str(tokenizer_json()).encode(text).ids
    return ids


def test_neurons_and_dimensions_by_hand(llama: Path) -> None:
    outcome, network = found(llama, **NAMED), random_model("llama")
    assert outcome.status == "ok", outcome.reason
    streams = []
    for number, text in enumerate(TEXTS):
        values = outcome.arrays[f"activations/{number}"].values
        assert np.isnan(values[:, 0]).all()
        for item, (block, index) in enumerate(NAMED["neurons"]):
            by_hand = reference.neuron(network, ids_of(text), block, index)
            assert values[item, 1:] == pytest.approx(by_hand[1:], abs=1e-4)
        with torch.no_grad():
            states = network(torch.tensor([ids_of(text)]), output_hidden_states=True).hidden_states
        streams.append(states[2][0, 1:, 5])
    mean = float(torch.cat(streams).mean())
    for number, stream in enumerate(streams):
        deviation = (stream - mean).tolist()
        assert outcome.arrays[f"activations/{number}"].values[2, 1:] == pytest.approx(deviation, abs=1e-4)


def test_examples_and_kinds_are_those_of_the_strongest_tokens(llama: Path) -> None:
    outcome = found(llama, **NAMED)
    tokenizer = Tokenizer.from_str(tokenizer_json())
    for unit in outcome.tables["units"].records():
        every = [
            (abs(float(value)), number, at)
            for number in range(3)
            for at, value in enumerate(outcome.arrays[f"activations/{number}"].values[unit["item"]])
            if np.isfinite(value)
        ]
        strongest = sorted(every, reverse=True)[:4]
        examples = [row for row in outcome.tables["examples"].records() if row["item"] == unit["item"]]
        assert [(row["prompt"], row["position"]) for row in examples] == [one[1:] for one in strongest]
        masses: dict[str, float] = defaultdict(float)
        for size, number, at in strongest:
            masses[tokenizer.decode([ids_of(TEXTS[number])[at]]).strip().casefold()] += size
        assert unit["kinds"] == pytest.approx(reference.kinds(masses), rel=1e-4)
        assert unit["tokens"] == len(every)
        assert unit["share"] == 1.0
        assert abs(unit["largest"]) == pytest.approx(strongest[0][0])


def test_closed_and_silent_neurons_by_hand(llama: Path) -> None:
    outcome, network = found(llama, **NAMED), random_model("llama")
    for block in range(3):
        shares = []
        for text in TEXTS:
            ids = ids_of(text)
            closed, silent = reference.off(network, ids, block, range(1, len(ids)))
            shares.append((closed * (len(ids) - 1), silent * (len(ids) - 1), len(ids) - 1))
        closed, silent, tokens = np.array(shares).sum(0)
        assert outcome.arrays["closed_by_block"].values[block] == pytest.approx(closed / tokens, abs=1e-6)
        assert outcome.arrays["silent_by_block"].values[block] == pytest.approx(silent / tokens, abs=1e-6)
    assert outcome.tables["functions"].rows == [[block, "silu", 40] for block in range(3)]


def test_a_closed_neuron_of_relu_gives_exactly_nothing(tmp_path: Path) -> None:
    """OPT has ReLU: shares of exact zeros, which is what other functions' closed neurons are not."""
    outcome = found(save_tiny(tmp_path / "m", "opt"), neurons=[[0, at] for at in range(16)])
    zero = np.concatenate([outcome.arrays[f"activations/{n}"].values[:, 1:].ravel() for n in range(3)]) == 0
    assert 0.2 < zero.mean() < 0.8
    assert {row["share"] for row in outcome.tables["units"].records()} - {1.0}
    assert outcome.tables["functions"].column("function") == ["relu"] * 3


def test_definitions_of_off() -> None:
    given = np.array([[0.0, -0.2, 1.0, 0.01, 0.0101, -0.005], [2.0, 3.0, 0.5, 0.4, 0.3, 0.2]])
    assert count_closed(given).tolist() == [3, 0]
    assert count_silent(given).tolist() == [3, 0]
    assert count_silent(torch.tensor(given)).tolist() == [3, 0]


def test_equal_parts_are_as_many_kinds_as_there_are() -> None:
    assert effective_number([2.0, 2.0, 2.0, 2.0]) == pytest.approx(4)
    assert effective_number([5.0, 0.0]) == pytest.approx(1)
    assert 1 < effective_number([10.0, 1.0, 1.0]) < 3
    assert np.isnan(effective_number([0.0]))


def test_the_strongest_are_found_where_none_is_named(llama: Path) -> None:
    outcome = found(llama, k=2)
    units = outcome.tables["units"].records()
    assert [(unit["kind"], unit["place"]) for unit in units] == [("neuron", 1), ("neuron", 1), ("dimension", 2)]
    network: Any = random_model("llama")
    values = network.model.layers[1].mlp.down_proj.weight.norm(dim=0)
    rows = [
        torch.tensor([reference.neuron(network, ids_of(text), 1, index)[1:] for index in range(40)]) for text in TEXTS
    ]
    size = torch.cat(rows, dim=1).abs().amax(1) * values
    assert [unit["index"] for unit in units[:2]] == size.topk(2).indices.tolist()


def test_a_feature_stands_beside_them(llama: Path, tmp_path: Path) -> None:
    dictionaries = save_dictionaries(tmp_path / "d", layers=[2])
    outcome = found(llama, beside={"dictionaries": str(dictionaries), "feature": 7}, **NAMED)
    assert outcome.status == "ok", outcome.reason
    unit = outcome.tables["units"].records()[-1]
    assert (unit["kind"], unit["place"], unit["index"]) == ("feature", 2, 7)
    features = run_probes(
        {"m": llama}, {"f": {"probe": "sae_features", "prompts": TEXTS, "dictionaries": str(dictionaries), "top": 48}}
    ).outcomes["f"]["m"]
    for number in range(3):
        rows = [r for r in features.tables["strongest"].records() if r["prompt"] == number and r["feature"] == 7]
        own = outcome.arrays[f"activations/{number}"].values[-1]
        largest = rows[0]["largest"] if rows else 0.0
        assert float(np.nanmax(own)) == pytest.approx(largest, abs=1e-4)
    strongest = found(llama, beside={"dictionaries": str(dictionaries)})
    assert strongest.tables["units"].records()[-1]["index"] is not None
    assert outcome.metrics["feature_kinds"].value is not None or outcome.metrics["feature_kinds"].reason


def test_a_dictionary_of_another_model_is_left_out_and_the_rest_is_shown(llama: Path, tmp_path: Path) -> None:
    wide = save_dictionary(tmp_path / "d" / "layer_2", 2, width=24)
    narrow = save_tiny(tmp_path / "narrow", "gpt2", layers=1)
    entry = {"probe": "neurons", "prompts": TEXTS, "beside": {"dictionaries": str(wide)}}
    outcomes = run_probes({"m": llama, "other": narrow}, {"one": entry}).outcomes["one"]
    assert outcomes["m"].tables["units"].records()[-1]["kind"] == "feature"
    other = outcomes["other"]
    assert other.status == "ok", other.reason
    assert [unit["kind"] for unit in other.tables["units"].records()] == ["neuron", "neuron", "dimension"]
    ((what, reason),) = other.tables["skipped"].rows
    assert what == "beside"
    assert reason
    assert str(tmp_path) not in str(reason)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"neurons": [[1, 40]]}, r"neuron 1\.40: neurons go from 0 to 39"),
        ({"neurons": [[3, 0]]}, "blocks go from 0 to 2"),
        ({"dimensions": [[4, 0]]}, "layers go from 0 to 3"),
        ({"dimensions": [[0, 24]]}, "dimensions go from 0 to 23"),
        ({"block": 3}, "block 3 is out of range: blocks go from 0 to 2"),
    ],
)
def test_what_is_out_of_range_is_told_with_the_range_before_any_pass(llama: Path, asked: Any, told: str) -> None:
    with pytest.raises(BatteryError, match=told):
        found(llama, **asked)


def test_a_feature_out_of_range_is_told_as_well(llama: Path, tmp_path: Path) -> None:
    dictionaries = save_dictionaries(tmp_path / "d", layers=[2])
    with pytest.raises(BatteryError, match="there is no feature 48: features go from 0 to 47"):
        found(llama, beside={"dictionaries": str(dictionaries), "feature": 48})


def test_experts_have_no_neurons_but_dimensions_are_shown(tmp_path: Path) -> None:
    outcome = found(save_tiny(tmp_path / "m", "mixtral"))
    assert outcome.status == "ok", outcome.reason
    assert [unit["kind"] for unit in outcome.tables["units"].records()] == ["dimension"]
    ((what, reason),) = outcome.tables["skipped"].rows
    assert what == "neuron of block 1"
    assert "mixture of experts" in str(reason)
    assert "mixture of experts" in outcome.metrics["closed"].reason


def test_what_is_said_and_drawn(llama: Path) -> None:
    outcome = found(llama, **NAMED)
    section = Section("one", {"m": outcome}, {"m": ModelCard("m", "Tiny", "X", 3)})
    told = probe.statement(section)
    assert "In Tiny, neuron 1.7 answers to" in told
    assert "of the neurons of Tiny are closed (silu gives 0 or less)" in told
    kinds = [type(figure) for figure in probe.figures(section)]
    assert kinds == [TokenGrid, TokenGrid, TokenGrid, Curves]
