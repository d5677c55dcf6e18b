"""What attention_sink, head_scores, embedding_arithmetic and concept_sum find in the two demo models, loaded once."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from reportgen.battery.reader import read_battery
from reportgen.results.quantities import Outcome
from reportgen.running.execute import execute
from reportgen.running.plan import make_plan

PROBES: dict[str, Any] = {
    "sink": {"probe": "attention_sink", "prompts": ["The apple is green. What color is the apple?"]},
    "heads": {"probe": "head_scores", "length": 30, "sequences": 1},
    "words": {"probe": "embedding_arithmetic", "pairs": "word_pairs/relations"},
    "chinese": {"probe": "embedding_arithmetic", "pairs": [["冷", " cold"], ["熱", " hot"], [" big", " small"]]},
    "sum": {"probe": "concept_sum", "pool": "mean", "concepts": [
        {"texts": [" horse", "🐟"], "stands_for": "🐎"}, {"texts": [" seahorse", "🐠"]}
    ]},
}  # fmt: skip
MODELS = {"llama": "demo:smollm2-135m-instruct", "gemma": "demo:gemma-3-270m"}


@pytest.fixture(scope="module")
def found() -> Mapping[str, Mapping[str, Outcome]]:
    # An emoji that JSON escapes is two halves, which YAML does not take.
    written = json.dumps({"models": MODELS, "probes": PROBES}, ensure_ascii=False)
    outcomes = execute(make_plan(read_battery(written))).outcomes
    assert all(outcome.status == "ok" for by_model in outcomes.values() for outcome in by_model.values())
    return outcomes


@pytest.mark.real
def test_smollm2_loses_its_sink_where_it_loses_its_huge_activation(found: Mapping[str, Mapping[str, Outcome]]) -> None:
    llama = found["sink"]["llama"]
    # Counted by hand before this project: 246 of SmolLM2's 270 heads, on the first word for want of a BOS.
    assert llama.tables["sinks"].records()[0]["sink_heads"] == 246
    assert llama.tables["sinks"].records()[0]["token"] == "The"
    largest = [r for r in llama.tables["activations"].records() if r["rank"] == 1 and r["layer"] in range(12, 29)]
    assert {(r["position"], r["dimension"], r["massive"]) for r in largest} == {(0, 507, True)}
    of_block = llama.arrays["importance"].values[0].mean(-1)
    assert of_block[[10, 11]].max() < 0.7 * of_block[[7, 8, 9, 12, 13, 14]].min()


@pytest.mark.real
def test_gemma_has_windows_but_every_sixth_block_and_its_largest_activations_at_bos(
    found: Mapping[str, Mapping[str, Outcome]],
) -> None:
    gemma = found["sink"]["gemma"]
    kinds = gemma.tables["blocks"].column("attention")
    assert [block for block, kind in enumerate(kinds) if kind == "full"] == [5, 11, 17]
    assert set(gemma.tables["blocks"].column("window")) == {512, None}
    massive = [r for r in gemma.tables["activations"].records() if r["massive"] and r["rank"] == 1]
    assert {(r["token"], r["position"]) for r in massive} == {("<bos>", 0)}
    assert len(massive) > 10


@pytest.mark.real
def test_both_have_induction_heads_above_a_head_of_the_token_before(
    found: Mapping[str, Mapping[str, Outcome]],
) -> None:
    best = {
        (id, record["kind"]): record
        for id, outcome in found["heads"].items()
        for record in outcome.tables["top"].records()
        if record["rank"] == 1
    }
    for id in MODELS:
        assert best[id, "induction"]["score"] > 0.7 * best[id, "induction"]["most_possible"]
        assert best[id, "previous_token"]["score"] > 0.6
        assert best[id, "previous_token"]["block"] < best[id, "induction"]["block"]
    # Gemma's stands in the first block that sees everything.
    assert (best["gemma", "induction"]["block"], best["gemma", "induction"]["head"]) == (5, 1)
    tokens = found["heads"]["gemma"].tables["tokens"].column("token")
    assert (tokens[0], len(tokens), tokens[1:13] == tokens[13:]) == ("<bos>", 25, True)


@pytest.mark.real
def test_grammar_and_family_are_directions_in_both_tables(found: Mapping[str, Mapping[str, Outcome]]) -> None:
    for id, least in (("llama", 0.6), ("gemma", 0.85)):
        metrics = found["words"][id].metrics
        assert metrics["success_at_1"].value is not None
        assert metrics["success_at_1"].value > least
        assert metrics["parallelism"].value is not None
        assert metrics["parallelism"].value > 0.3
        assert found["words"][id].arrays["control"].values.max() < 0.15
        made = {tuple(r[1:5]): r[5] for r in found["words"][id].tables["analogies"].rows}
        assert made[" bigger", " big", " cold", " colder"] == 1
    assert made[" Paris", " France", " Italy", " Rome"] <= 5


@pytest.mark.real
def test_冷_and_熱_are_skipped_in_smollm2_and_measured_in_gemma(found: Mapping[str, Mapping[str, Outcome]]) -> None:
    llama, gemma = found["chinese"]["llama"], found["chinese"]["gemma"]
    skipped = {row["row"]: row["reason"] for row in llama.tables["skipped"].records()}
    assert set(skipped) == {"冷 − cold", "熱 − hot"}
    assert skipped["冷 − cold"].startswith("'冷' is ")
    assert skipped["冷 − cold"].endswith("(pool: mean accepts several)")
    assert not gemma.tables["skipped"].rows
    cosines = gemma.arrays["parallel"].values[:, 0]
    assert cosines[0] > 0.4  # 冷 − cold and 熱 − hot
    assert cosines[0] > 5 * abs(cosines[1:]).max()  # neither is like big − small


@pytest.mark.real
def test_horse_and_a_fish_are_a_horse_in_gemma_and_junk_by_smollm2s_dot_product(
    found: Mapping[str, Mapping[str, Outcome]],
) -> None:
    llama, gemma = found["sum"]["llama"], found["sum"]["gemma"]
    assert gemma.tables["missing"].records()[0]["rank_cosine"] == 1
    assert llama.tables["missing"].records()[0]["token_count"] == 3
    tokens = [r["token"] for r in gemma.tables["nearest"].records() if (r["item"], r["measure"]) == (1, "cosine")]
    assert {"🐟", "🐬", "🐚"} <= set(tokens)
    assert gemma.metrics["overlap"].value == pytest.approx(1.0, abs=0.2)
    assert llama.metrics["overlap"].value == pytest.approx(0.0, abs=0.2)
