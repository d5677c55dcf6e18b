from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer

from reportgen.errors import BatteryError
from reportgen.probes.nearest_tokens import probe
from reportgen.results.section import ModelCard, Section
from tests.runs import run_probes
from tests.tiny import random_model, tokenizer_json


def neighbours(source: Path | str, **options: object) -> list[dict]:
    outcome = run_probes({"m": source}, {"near": {"probe": "nearest_tokens", **options}}).outcomes["near"]["m"]
    assert outcome.status == "ok", outcome.reason
    return outcome.tables["neighbours"].records()


@pytest.mark.parametrize("metric", ["cosine", "dot"])
def test_against_one_row_at_a_time(llama: Path, metric: str) -> None:
    table = random_model("llama").model.embed_tokens.weight.detach()
    scores = []
    for i in range(len(table)):
        score = torch.dot(table[300], table[i])
        scores.append(float(score / table[300].norm() / table[i].norm() if metric == "cosine" else score))
    expected = sorted((s, i) for i, s in enumerate(scores) if i != 300)[::-1][:7]
    found = neighbours(llama, ids=[300], k=7, metric=metric)
    assert [row["token_id"] for row in found] == [i for _, i in expected]
    assert [row["similarity"] for row in found] == pytest.approx([s for s, _ in expected], abs=1e-5)
    assert [row["rank"] for row in found] == list(range(1, 8))
    assert {row["query"] for row in found} == {"#300"}


def test_the_query_itself_only_when_asked(llama: Path) -> None:
    assert neighbours(llama, ids=[300], k=1, include_self=True)[0]["token_id"] == 300
    assert neighbours(llama, ids=[300], k=1)[0]["token_id"] != 300


def test_a_text_of_several_tokens_may_be_pooled(llama: Path) -> None:
    table = random_model("llama").model.embed_tokens.weight.detach()
    ids = [row["token_id"] for row in neighbours(llama, texts=["zq"], k=3, pool="mean")]
    from tokenizers import Tokenizer

    from tests.tiny import tokenizer_json

    pieces = Tokenizer.from_str(tokenizer_json()).encode("zq", add_special_tokens=False).ids
    assert len(pieces) == 2
    mean = table[pieces].mean(0)
    expected = torch.nn.functional.cosine_similarity(mean[None], table).topk(3).indices.tolist()
    assert ids == expected


def test_a_text_that_is_one_token_nowhere_is_a_mistake_of_the_battery(llama: Path) -> None:
    with pytest.raises(BatteryError, match=r"probes\.near: 'zq' can be used in no model: 2 tokens: z \| q"):
        neighbours(llama, texts=["zq", "a"])


def test_an_id_out_of_range_names_the_range(llama: Path) -> None:
    with pytest.raises(BatteryError, match="'#999' can be used in no model: ids go from 0 to 319"):
        neighbours(llama, ids=[999])


@pytest.mark.real
def test_the_real_models_know_apples_and_kings() -> None:
    results = run_probes(
        {"llama": "demo:smollm2-135m-instruct", "gemma": "demo:gemma-3-270m"},
        {"near": {"probe": "nearest_tokens", "texts": ["apple", "李", "王"], "k": 20}},
    )
    llama, gemma = results.outcomes["near"]["llama"], results.outcomes["near"]["gemma"]
    tokens = {q: [r["token"] for r in gemma.tables["neighbours"].records() if r["query"] == q] for q in ("apple", "王")}
    assert {"苹果", "蘋果", "iPhone"} <= set(tokens["apple"])
    assert "King" in tokens["王"]
    # in SmolLM2 both family names are two byte tokens: skipped rows, and the probe is ok
    assert llama.status == "ok"
    assert llama.tables["skipped"].rows == [
        ["李", "2 tokens: <E6 9D> | <8E>→李 (pool: mean accepts several)"],
        ["王", "2 tokens: <E7 8E> | <8B>→王 (pool: mean accepts several)"],
    ]
    assert {r["query"] for r in llama.tables["neighbours"].records()} == {"apple"}


def test_an_id_is_named_with_its_token(llama: Path) -> None:
    probes = {"n": {"probe": "nearest_tokens", "ids": [290, 300], "texts": ["I"]}}
    outcome = run_probes({"m": llama}, probes).outcomes["n"]["m"]
    token = Tokenizer.from_str(tokenizer_json()).decode([290])
    assert outcome.tables["queries"].rows == [["#290", token], ["#300", "<#300>"]]
    (figure,) = probe.figures(Section("n", {"m": outcome}, {"m": ModelCard("m", "M", "X", 3)}))
    assert [ranking.title for ranking in figure.rankings] == ["I", f"#290: {token.replace(' ', '␣')}", "#300"]
