"""Scores of two words with and without positions, and at distances at which they do not stand."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from reportgen.errors import BatteryError
from reportgen.figures.describe import Curves
from reportgen.model.capture.rotations import rotations_of
from reportgen.model.measures.distance_scores import score_content, score_over_distance
from reportgen.model.network.anatomy import anatomy_of
from reportgen.model.network.loaded import LoadedModel
from reportgen.probes.attention_parts import probe
from reportgen.results.quantities import Outcome
from reportgen.results.section import ModelCard, Section
from tests.reference.attention_parts import rotated
from tests.runs import run_probes
from tests.tiny import random_model, save_tiny, tokenizer_json

TEXT = "I ate an apple for a day"
NEAR_AND_FAR = ["day apple", "day my eye for an apple"]
DISTANCES = [1, 2, 3, 5, 7, 8, 20, 100, 2000]
FAMILIES = ["llama", "gemma2", "gemma3", "gpt_neox", "phi3", "gpt_oss"]


def found(source: Path, prompts: list[str] | None = None, **options: Any) -> Outcome:
    asked = {"pairs": [{"from": "day", "to": "apple"}], "distances": DISTANCES, "heads": [[0, 1], [2, 3]], **options}
    probes = {"parts": {"probe": "attention_parts", "prompts": prompts or [TEXT], **asked}}
    return run_probes({"m": source}, probes).outcomes["parts"]["m"]


@pytest.mark.parametrize("family", FAMILIES)
def test_at_the_true_distance_the_curve_has_the_score_of_the_model(family: str, tmp_path: Path) -> None:
    save_tiny(tmp_path / "m", family)
    (place,) = found(tmp_path / "m").tables["pairs"].records()
    outcome = found(tmp_path / "m", distances=[place["distance"], 1])
    captured = outcome.tables["pair_scores"].column("with_positions")
    if family != "gemma3":  # its window of 8 may hide it
        assert None not in captured
    for own, score in zip(outcome.arrays["distance_scores/0"].values[:, 0], captured, strict=True):
        assert (math.isnan(own) and score is None) or own == pytest.approx(score, abs=1e-4)


@pytest.mark.parametrize("family", ["llama", "gemma3"])
def test_the_curve_is_query_and_key_turned_by_hand(family: str, tmp_path: Path) -> None:
    """By the reference's own angles: of Gemma 3, other ones in local blocks than in those that see all."""
    outcome = found(save_tiny(tmp_path / "m", family), heads=[[0, 1], [2, 3]])
    network: Any = random_model(family)
    (place,) = outcome.tables["pairs"].records()
    for item, (block, head) in enumerate([(0, 1), (2, 3)]):
        q, k = unturned(network, block, head, place)
        scaling = 6**-0.5
        before = outcome.tables["pair_scores"].records()[item]["without_positions"]
        assert before == pytest.approx(float(q @ k) * scaling, abs=1e-4)
        rope: Any = network.config.rope_parameters
        theta = (rope.get(network.config.layer_types[block]) or rope)["rope_theta"] if family == "gemma3" else 10_000.0
        by_hand = [float(rotated(q, n, theta) @ k) * scaling for n in DISTANCES]
        curve = outcome.arrays["distance_scores/0"].values[item]
        seen = np.isfinite(curve)
        assert seen.any()
        assert curve[seen] == pytest.approx(np.array(by_hand)[seen], abs=1e-3)
        wrong = [float(interleaved(q, n, theta) @ k) * scaling for n in DISTANCES]
        assert curve[seen] != pytest.approx(np.array(wrong)[seen], abs=1e-3)


def unturned(network: Any, block: int, head: int, place: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Query and key of a Llama-like model from its own projections (and norms of heads)."""
    attention = network.model.layers[block].self_attn
    entering: dict[str, torch.Tensor] = {}
    handle = attention.register_forward_pre_hook(
        lambda module, args, kwargs: entering.update(x=(args[0] if args else kwargs["hidden_states"])[0].clone()),
        with_kwargs=True,
    )
    with torch.no_grad():
        network(torch.tensor([Tokenizer.from_str(tokenizer_json()).encode(TEXT).ids]), use_cache=False)
        handle.remove()
        q = attention.q_proj(entering["x"]).unflatten(-1, (4, 6))[place["query"], head]
        k = attention.k_proj(entering["x"]).unflatten(-1, (2, 6))[place["key"], head // 2]
        if hasattr(attention, "q_norm"):
            q, k = attention.q_norm(q), attention.k_norm(k)
    return q, k


def interleaved(vector: torch.Tensor, position: int, theta: float) -> torch.Tensor:
    """The other convention: neighbours are turned against each other, not the two halves."""
    turned = vector.clone()
    for i in range(len(vector) // 2):
        angle = position * theta ** (-2 * i / len(vector))
        one, two = vector[2 * i], vector[2 * i + 1]
        turned[2 * i] = one * math.cos(angle) - two * math.sin(angle)
        turned[2 * i + 1] = two * math.cos(angle) + one * math.sin(angle)
    return turned


@pytest.mark.parametrize("family", [*FAMILIES, "granite", "qwen3"])
def test_only_the_distance_counts(family: str) -> None:
    network: Any = random_model(family)
    model = LoadedModel(network, anatomy_of(network))
    rotations = rotations_of(model)
    assert sorted(rotations) == [0, 1, 2]
    generator = torch.Generator().manual_seed(0)
    for rotation in rotations.values():
        q, k = (torch.randn(6, generator=generator) for _ in range(2))
        here = score_over_distance(rotation, q, k, DISTANCES)
        assert score_over_distance(rotation, q, k, DISTANCES, first=17).tolist() == pytest.approx(
            here.tolist(), abs=1e-3
        )
        assert float(score_over_distance(rotation, q, k, [0])) == pytest.approx(score_content(rotation, q, k), abs=1e-5)
        assert np.ptp(here.numpy()) > 0.1


@pytest.mark.parametrize("kind", ["linear", "dynamic", "yarn", "llama3"])
def test_other_kinds_of_rotation_are_the_models_own(kind: str, tmp_path: Path) -> None:
    save_tiny(tmp_path / "m")
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    scaled = {"rope_type": kind, "rope_theta": 10_000.0, "factor": 4.0, "original_max_position_embeddings": 128}
    if kind == "llama3":
        scaled |= {"low_freq_factor": 1.0, "high_freq_factor": 4.0}
    (tmp_path / "m" / "config.json").write_text(json.dumps(config | {"rope_parameters": scaled}))
    plain = found(save_tiny(tmp_path / "plain"))
    (place,) = plain.tables["pairs"].records()
    outcome = found(tmp_path / "m", distances=[place["distance"], 100])
    scores = outcome.tables["pair_scores"].column("with_positions")
    assert outcome.arrays["distance_scores/0"].values[:, 0].tolist() == pytest.approx(scores, abs=1e-4)
    if kind != "dynamic":  # which turns as others do within the trained length
        at_100 = plain.arrays["distance_scores/0"].values[:, DISTANCES.index(100)].tolist()
        assert outcome.arrays["distance_scores/0"].values[:, 1].tolist() != pytest.approx(at_100, abs=1e-3)


def test_beyond_a_sliding_window_there_is_no_score(gemma3: Path) -> None:
    outcome = found(gemma3)
    local, _ = outcome.tables["pair_scores"].records()
    assert local["window"] == 8
    assert np.isfinite(outcome.arrays["distance_scores/0"].values[0]).tolist() == [n < 8 for n in DISTANCES]


def test_without_positions_near_and_far_are_the_same_where_only_the_words_are_read(llama: Path) -> None:
    outcome = found(llama, NEAR_AND_FAR, heads=[[0, 1]], pairs=[{"from": "apple", "to": "day"}])
    rows = outcome.tables["pair_scores"].records()
    tokens = [row["tokens"] for row in outcome.tables["words"].records()]
    assert tokens[:2] == tokens[2:]
    assert rows[0]["without_positions"] == pytest.approx(rows[1]["without_positions"], abs=1e-5)
    assert rows[0]["with_positions"] != pytest.approx(rows[1]["with_positions"], abs=1e-3)
    section = Section("parts", {"m": outcome}, {"m": ModelCard("m", "Tiny", "X", 3)})
    assert "without positions, near or far" in probe.statement(section)
    true = outcome.tables["pairs"].column("distance")
    (curves,) = (figure for figure in probe.figures(section) if isinstance(figure, Curves))
    assert curves.curves[0].label == "with positions"
    assert list(curves.references) == ["without positions"]
    assert [len(curve.x) for curve in curves.curves] == [len({*DISTANCES, *true}), 1, 1]


@pytest.mark.parametrize("family", ["gpt2", "opt"])
def test_where_positions_enter_elsewhere_it_is_said_and_the_rest_is_measured(family: str, tmp_path: Path) -> None:
    outcome = found(save_tiny(tmp_path / "m", family))
    assert outcome.status == "ok"
    assert not outcome.tables["pair_scores"].rows
    reasons = outcome.tables["skipped"].column("reason")
    assert reasons == [
        f"positions do not enter the queries and keys of block {block} by a rotary embedding: a table of 512 positions "
        "is added to the embedding"
        for block in (0, 2)
    ]
    section = Section("parts", {"m": outcome}, {"m": ModelCard("m", "Tiny", "X", 3)})
    assert not [figure for figure in probe.figures(section) if isinstance(figure, Curves)]
    assert "without positions" not in probe.statement(section)


def test_the_other_numbers_are_as_without_pairs(llama: Path) -> None:
    with_pairs, without = found(llama), found(llama, pairs=[])
    for name in ("scores/0", "weights/0", "value_norms/0", "norm_weighted/0"):
        assert with_pairs.arrays[name].values.tobytes() == without.arrays[name].values.tobytes()


@pytest.mark.parametrize(
    ("pair", "told"),
    [
        ({"from": "zebra", "to": "apple"}, "the word 'zebra' is not in the sentence"),
        ({"from": "apple", "to": "day"}, "'day' comes after 'apple'"),
        ({"from": "apple", "to": "apple"}, "end in the same token"),
        ({"from": "day", "to": "apple", "prompt": 3}, "there is no prompt 3: prompts go from 0 to 0"),
    ],
)
def test_a_pair_that_no_prompt_has_is_told_before_any_pass(llama: Path, pair: Any, told: str) -> None:
    with pytest.raises(BatteryError, match=told):
        found(llama, pairs=[pair])


def test_distances_are_whole_and_at_least_one(llama: Path) -> None:
    with pytest.raises(BatteryError, match="distances"):
        found(llama, distances=[0])


@pytest.mark.real
@pytest.mark.parametrize("name", ["smollm2-135m-instruct", "gemma-3-270m"])
def test_a_demo_model_scores_as_the_curve_says_at_the_true_distance(name: str) -> None:
    prompts, pair = ["兩顆青蘋果", "青山綠水紅蘋果"], {"from": "果", "to": "青"}
    entry = {"probe": "attention_parts", "prompts": prompts, "heads": [[0, 1], [5, 2]], "pairs": [pair]}
    entry["distances"] = list(range(1, 32))
    outcome = run_probes({"m": f"demo:{name}"}, {"parts": entry}).outcomes["parts"]["m"]
    places = outcome.tables["pairs"].records()
    for row in outcome.tables["pair_scores"].records():
        curve = outcome.arrays[f"distance_scores/{row['pair']}"].values[row["item"]]
        assert curve[places[row["pair"]]["distance"] - 1] == pytest.approx(row["with_positions"], abs=1e-3)
    if name.startswith("smollm2"):  # whose last tokens of both words are the same in both prompts
        near, far = (row for row in outcome.tables["pair_scores"].records() if row["block"] == 0)
        assert near["without_positions"] == pytest.approx(far["without_positions"], abs=1e-5)
