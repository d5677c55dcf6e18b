from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer

from reportgen.errors import BatteryError
from reportgen.probes.concept_sum import probe
from reportgen.results.quantities import Outcome
from reportgen.results.section import ModelCard, Section
from tests.reference import concept_sum as slow
from tests.reference import plain
from tests.runs import run_probes
from tests.tiny import random_model, save_tiny, tokenizer_json

TEXT = "an apple a day"


def summed(source: Path, **options: Any) -> Outcome:
    outcome = run_probes({"m": source}, {"c": {"probe": "concept_sum", **options}}).outcomes["c"]["m"]
    assert outcome.status == "ok", outcome.reason
    return outcome


def nearest(outcome: Outcome, measure: str, item: int = 0) -> list[dict[str, Any]]:
    rows = outcome.tables["nearest"].records()
    return [row for row in rows if (row["item"], row["measure"]) == (item, measure)]


def ids_of(text: str, special: bool = False, bos: bool = True) -> list[int]:
    return Tokenizer.from_str(tokenizer_json(bos)).encode(text, add_special_tokens=special).ids


def unembedding(family: str, seed: int) -> torch.Tensor:
    return random_model(family, seed).get_output_embeddings().weight.detach()


def told(outcome: Outcome) -> str:
    return probe.statement(Section("c", {"m": outcome}, {"m": ModelCard("m", "Tiny", "X", 3)}))


@pytest.mark.parametrize("measure", ["cosine", "dot"])
@pytest.mark.parametrize(("family", "seed"), [("llama", 0), ("gemma3", 1), ("gpt2", 2)])
def test_a_sum_against_loops(family: str, seed: int, measure: str, request: pytest.FixtureRequest) -> None:
    rows = unembedding(family, seed)
    outcome = summed(request.getfixturevalue(family), concepts=[[" apple", " eye"]], k=7)
    parts = [ids_of(" apple"), ids_of(" eye")]
    assert [len(part) for part in parts] == [1, 1]
    expected = slow.ranking(slow.direction(rows, parts), rows, measure, {token for ids in parts for token in ids})[:7]
    found = nearest(outcome, measure)
    assert [row["token_id"] for row in found] == [at for _, at in expected]
    assert [row["score"] for row in found] == pytest.approx([score for score, _ in expected], abs=1e-5)


def test_pooled_texts_against_loops_and_a_sum_of_rows_as_they_are_is_caught(llama: Path) -> None:
    rows = unembedding("llama", 0).clone()
    parts = [ids_of("zq"), ids_of(" eye")]
    assert len(parts[0]) == 2
    outcome = summed(llama, concepts=[["zq", " eye"]], pool="mean", k=9)
    left_out = {token for ids in parts for token in ids}
    expected = [at for _, at in slow.ranking(slow.direction(rows, parts), rows, "cosine", left_out)[:9]]
    assert [row["token_id"] for row in nearest(outcome, "cosine")] == expected
    wrong = slow.ranking(slow.direction(rows, parts, units=False), rows, "cosine", left_out)[:9]
    assert [row["score"] for row in nearest(outcome, "cosine")] != pytest.approx([s for s, _ in wrong], abs=1e-3)
    assert outcome.tables["concepts"].rows[0][1:3] == ["zq + eye", "z | q +  eye"]


@pytest.mark.parametrize(("family", "seed", "bos"), [("llama", 0, True), ("gemma2", 3, True), ("gpt2", 2, True)])
def test_a_place_in_the_stream_is_what_the_lens_reads(family: str, seed: int, bos: bool, tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / family, family, seed=seed, bos=bos)
    prompts = [{"text": TEXT, "word": "apple"}, TEXT]
    outcome = summed(folder, prompts=prompts, layers=[3, 1], k=3)
    network, ids = random_model(family, seed), ids_of(TEXT, special=True, bos=bos)
    stream = plain.residuals(network, family, ids)
    concepts = outcome.tables["concepts"].records()
    assert [(c["prompt"], c["layer"]) for c in concepts] == [(0, 1), (0, 3), (1, 1), (1, 3)]
    assert [c["position"] for c in concepts] == [ids.index(ids_of(" apple")[0])] * 2 + [len(ids) - 1] * 2
    rows = network.get_output_embeddings().weight.detach()
    for concept in concepts:
        row = stream[concept["layer"], concept["position"]]
        with torch.no_grad():
            normed = network.get_submodule(plain.PARTS[family].norm)(row)
        for measure in ("cosine", "dot"):
            expected = [at for _, at in slow.ranking(normed, rows, measure, ())[:3]]
            assert [r["token_id"] for r in nearest(outcome, measure, concept["item"])] == expected
        # Neither softcap nor scaling changes the order: the dot product has the lens' own likeliest tokens.
        lens = plain.lens_logits(network, family, row).topk(3).indices.tolist()
        assert [r["token_id"] for r in nearest(outcome, "dot", concept["item"])] == lens


def test_what_is_meant_is_ranked_or_its_tokens_are_shown(llama: Path) -> None:
    concepts = [
        {"texts": [" apple", " eye"], "stands_for": " day", "name": "one"},
        {"texts": [" apple"], "stands_for": "zq"},
        {"texts": [" apple"], "stands_for": " apple", "name": "itself"},
    ]
    outcome = summed(llama, concepts=concepts, k=300)
    found = outcome.tables["missing"].records()
    ranks = {m: [r["token_id"] for r in nearest(outcome, m)].index(ids_of(" day")[0]) + 1 for m in ("cosine", "dot")}
    assert (found[0]["rank_cosine"], found[0]["rank_dot"]) == (ranks["cosine"], ranks["dot"])
    assert (found[1]["token_count"], found[1]["tokens"], found[1]["rank_cosine"]) == (2, "z | q", None)
    assert (found[2]["token_count"], found[2]["rank_cosine"]) == (1, None)
    assert f"The token “ day” is at rank {ranks['cosine']} by cosine" in told(outcome)


def test_the_two_measures_are_compared_by_their_ten_nearest(llama: Path) -> None:
    outcome = summed(llama, concepts=[[" apple", " eye"], [" day"]], k=10)
    shares = []
    for item in range(2):
        both = [{row["token_id"] for row in nearest(outcome, measure, item)} for measure in ("cosine", "dot")]
        shares.append(len(both[0] & both[1]) / 10)
    assert outcome.metrics["overlap"].value == pytest.approx(sum(shares) / 2)
    highest = [nearest(outcome, "cosine", item)[0]["score"] for item in range(2)]
    assert outcome.metrics["nearest_cosine"].value == pytest.approx(sum(highest) / 2)


def test_a_concept_that_one_model_cannot_have_is_a_skipped_row(llama: Path) -> None:
    concepts = [[" apple", " eye"], ["zq", " eye"]]
    with pytest.raises(
        BatteryError, match=r"'zq \+ eye' can be used in no model: 'zq' is 2 tokens: z \| q \(pool: mean"
    ):
        summed(llama, concepts=concepts)


def test_a_chat_goes_through_the_template(tmp_path: Path) -> None:
    template = "{% for m in messages %}<bos>{{ m.content }}{% endfor %}"
    folder = save_tiny(tmp_path / "chat", chat_template=template)
    chat = summed(folder, prompts=[{"messages": [{"role": "user", "content": TEXT}]}])
    assert chat.tables["nearest"].rows == summed(folder, prompts=[TEXT]).tables["nearest"].rows
    assert chat.tables["concepts"].column("layer") == [3]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "concepts or prompts is needed"),
        ({"concepts": [[]]}, "concepts"),
        ({"concepts": [{"texts": [" eye"], "nom": "x"}]}, "unknown key"),
        ({"prompts": [TEXT], "layers": [9]}, "layer 9 is out of range: layers go from 0 to 3"),
        ({"prompts": [TEXT], "position": 99}, "position 99 is out of range: positions go from 0 to"),
        ({"prompts": [{"text": TEXT, "word": "pear"}]}, "the word 'pear' is not in the sentence"),
        ({"prompts": ["an " * 600]}, "exceeds the context of 512"),
        ({"prompts": [{"messages": [{"role": "user", "content": TEXT}]}]}, "chat"),
        ({"prompts": "missing_words/nothing"}, "there is no prompt set"),
    ],
)
def test_what_cannot_be_is_told_before_any_pass(llama: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(BatteryError, match=message):
        summed(llama, **options)


def test_random_rows_make_no_clear_statement_and_a_planted_one_does(tmp_path: Path) -> None:
    assert told(summed(save_tiny(tmp_path / "random"), concepts=[[" apple", " eye"]])).startswith("No clear statement")
    folder, network = save_tiny(tmp_path / "planted"), random_model("llama")
    with torch.no_grad():
        table = network.get_output_embeddings().weight
        parts = [ids_of(" apple"), ids_of(" eye")]
        table[ids_of(" day")[0]] = 5 * slow.direction(table, parts)
    network.save_pretrained(folder)
    outcome = summed(folder, concepts=[[" apple", " eye"]])
    assert told(outcome).startswith("In Tiny, “␣day”, ")
    assert nearest(outcome, "cosine")[0]["score"] == pytest.approx(1.0, abs=1e-5)
