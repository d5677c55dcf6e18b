from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from reportgen.errors import BatteryError
from reportgen.numerics import head_patterns
from reportgen.probes.head_scores import probe
from reportgen.probes.head_scores.reducers import KINDS, pattern_of_kind
from reportgen.results.quantities import Outcome
from reportgen.results.section import ModelCard, Section
from tests.reference import head_scores as slow
from tests.runs import run_probes
from tests.tiny import random_model, save_tiny, tokenizer_json

TEXT = "an apple a day, an apple a day"


def scored(source: Path, **options: Any) -> Outcome:
    outcome = run_probes({"m": source}, {"h": {"probe": "head_scores", **options}}).outcomes["h"]["m"]
    assert outcome.status == "ok", outcome.reason
    return outcome


def ids_of(text: str, bos: bool = True) -> list[int]:
    return Tokenizer.from_str(tokenizer_json(bos)).encode(text).ids


def told(outcome: Outcome) -> str:
    return probe.statement(Section("h", {"m": outcome}, {"m": ModelCard("m", "Tiny", "X", 3)}))


FAMILIES = [("llama", 0, True), ("gemma3", 1, False), ("gpt2", 2, True)]


@pytest.mark.parametrize(("family", "seed", "bos"), FAMILIES)
def test_against_loops(family: str, seed: int, bos: bool, request: pytest.FixtureRequest) -> None:
    outcome = scored(request.getfixturevalue(family), prompts=[TEXT])
    network = random_model(family, seed)
    for kind in KINDS:
        expected = slow.scores(network, ids_of(TEXT, bos), kind)
        assert outcome.arrays[kind].values[0] == pytest.approx(np.array(expected), abs=1e-6)
        assert outcome.metrics[f"best_{kind}"].value == pytest.approx(np.max(expected), abs=1e-6)


@pytest.mark.parametrize("wrong", [{"shift": 0}, {"shift": 2}, {"over": "pattern"}])
def test_a_wrong_induction_score_is_caught(llama: Path, wrong: dict[str, Any]) -> None:
    expected = slow.scores(random_model("llama"), ids_of(TEXT), "induction", **wrong)
    assert scored(llama, prompts=[TEXT]).arrays["induction"].values[0] != pytest.approx(np.array(expected), abs=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_the_kinds_against_loops_on_numpy_and_torch(kind: str) -> None:
    ids = [0, 5, 6, 7, 5, 6, 6, 5, 7]
    expected = [[slow.looks(kind, ids, query, key) for key in range(9)] for query in range(9)]
    assert pattern_of_kind(kind, np.array(ids)).tolist() == expected
    assert pattern_of_kind(kind, torch.tensor(ids)).tolist() == expected


def test_a_perfect_head_scores_the_most_possible_and_a_uniform_one_little() -> None:
    ids = np.array([0, 1, 2, 3, 4, 1, 2, 3, 4])
    wanted = head_patterns.induction(ids)
    perfect = np.where(wanted.any(-1, keepdims=True), wanted, np.eye(9)[0])
    assert head_patterns.head_score(perfect, wanted) == pytest.approx(4 / 9)
    assert head_patterns.most_possible(wanted) == pytest.approx(4 / 9)
    uniform = np.tril(np.ones((9, 9))) / np.arange(1, 10)[:, None]
    assert head_patterns.head_score(uniform, wanted) == pytest.approx(sum(1 / n for n in (6, 7, 8, 9)) / 9)


def test_random_tokens_stand_twice_behind_bos_each_but_once_and_never_special(llama: Path, gemma3: Path) -> None:
    outcome = scored(llama, length=20, sequences=3)
    shown = [row["tokens"].split(" | ") for row in outcome.tables["prompts"].records()]
    assert len(shown) == 3
    assert {row[0] for row in shown} == {"<bos>"}
    assert outcome.tables["prompts"].column("token_count") == [41, 41, 41]
    assert all("<eos>" not in row and row.count("<bos>") == 1 for row in shown)
    assert len({outcome.tables["prompts"].rows[at][1] for at in range(3)}) == 3
    # Everything but the 12 tokens of the large figure is as long as asked for; this tokenizer adds no BOS.
    without = scored(gemma3, length=20, sequences=1)
    assert without.tables["prompts"].column("token_count") == [40]
    assert len(without.tables["tokens"].rows) == 24
    assert {row["most_possible"] for row in without.tables["top"].records() if row["kind"] == "induction"} == {0.5}


def test_the_seed_chooses_the_tokens(llama: Path) -> None:
    one, again, other = (scored(llama, length=8, sequences=1, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one.arrays["induction"].values, again.arrays["induction"].values)
    assert one.tables["prompts"].rows == again.tables["prompts"].rows
    assert one.tables["prompts"].rows != other.tables["prompts"].rows


def test_special_tokens_may_be_left_out(llama: Path) -> None:
    assert scored(llama, length=8, special_tokens="exclude").tables["prompts"].column("token_count") == [16] * 4


def test_the_best_heads_are_listed_and_their_attention_is_kept(llama: Path) -> None:
    outcome = scored(llama, prompts=[TEXT], top=3)
    whole = random_model("llama")(torch.tensor([ids_of(TEXT)]), output_attentions=True).attentions
    for at, kind in enumerate(KINDS):
        rows = [row for row in outcome.tables["top"].records() if row["kind"] == kind]
        assert [row["rank"] for row in rows] == [1, 2, 3]
        assert all(a["score"] >= b["score"] for a, b in pairwise(rows))
        block, head = outcome.tables["shown"].rows[at][2:]
        assert (block, head) == (rows[0]["block"], rows[0]["head"])
        assert outcome.arrays[f"patterns/{at}"].values == pytest.approx(
            whole[block][0, head].detach().numpy(), abs=1e-6
        )


def test_a_chat_is_scored_through_the_template(tmp_path: Path) -> None:
    template = "{% for m in messages %}<bos>{{ m.content }}{% endfor %}"
    folder = save_tiny(tmp_path / "chat", chat_template=template)
    chat = scored(folder, prompts=[{"messages": [{"role": "user", "content": TEXT}]}])
    assert np.array_equal(chat.arrays["induction"].values, scored(folder, prompts=[TEXT]).arrays["induction"].values)


def test_where_nothing_stands_twice_there_is_no_clear_statement(llama: Path) -> None:
    once = scored(llama, prompts=["my eye"])
    assert told(once) == "No clear statement about Tiny: nothing in what it read is repeated."
    assert once.metrics["best_induction"].value == 0.0
    assert told(scored(llama)).startswith(
        "No clear statement about Tiny: no head clearly looks at what followed a copy; the nearest"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": 300}, "300 random tokens twice are 601 tokens and exceed the context of 512"),
        ({"length": 1}, "length"),
        ({"prompts": []}, "prompts"),
        ({"prompts": ["apple day " * 300]}, r"a prompt of \d+ tokens exceeds the context of 512"),
    ],
)
def test_what_cannot_be_is_told_before_any_pass(llama: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(BatteryError, match=message):
        scored(llama, **options)


def test_more_tokens_than_there_are_cannot_be_drawn(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "bloom", "bloom")  # a context without a limit
    with pytest.raises(BatteryError, match="length 400 is out of range: there are 289 tokens to draw"):
        scored(folder, length=400)
