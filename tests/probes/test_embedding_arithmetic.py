from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from reportgen.errors import BatteryError
from reportgen.probes.embedding_arithmetic import probe
from reportgen.results.quantities import Outcome
from reportgen.results.section import ModelCard, Section
from tests.reference import embedding_arithmetic as slow
from tests.reference import plain
from tests.runs import run_probes
from tests.tiny import random_model, save_tiny, tokenizer_json

# One token each in the tiny tokenizer; together they are of no relation.
PAIRS = [[" apple", " day"], [" my", " eye"], [" of", "I"]]
FOUR = [" apple", " day", " eye", " my"]


def calculated(source: Path | str, **options: Any) -> Outcome:
    outcome = run_probes({"m": source}, {"w": {"probe": "embedding_arithmetic", **options}}).outcomes["w"]["m"]
    assert outcome.status == "ok", outcome.reason
    return outcome


def ids_of(text: str, special: bool = False, bos: bool = True) -> list[int]:
    return Tokenizer.from_str(tokenizer_json(bos)).encode(text, add_special_tokens=special).ids


def told(outcome: Outcome) -> str:
    return probe.statement(Section("w", {"m": outcome}, {"m": ModelCard("m", "Tiny", "X", 3)}))


@pytest.mark.parametrize(("family", "seed"), [("llama", 0), ("gemma3", 1), ("gpt2", 2)])
def test_the_table_against_loops(family: str, seed: int, request: pytest.FixtureRequest) -> None:
    table = random_model(family, seed).get_input_embeddings().weight.detach()
    outcome = calculated(request.getfixturevalue(family), analogies=[FOUR], pairs=PAIRS, k=7)
    a, b, c, expected = (ids_of(word)[0] for word in FOUR)
    order = slow.ranking(slow.target(table[a], table[b], table[c]), table, {a, b, c})
    nearest = [row for row in outcome.tables["nearest"].records() if row["item"] == 0]
    assert [row["token_id"] for row in nearest] == order[:7]
    assert outcome.arrays["rank"].values[0, 0] == order.index(expected) + 1
    assert outcome.tables["analogies"].rows[0] == [0, *FOUR, order.index(expected) + 1, len(table) - 3, True]
    vectors = [(table[ids_of(first)[0]], table[ids_of(second)[0]]) for first, second in PAIRS]
    assert outcome.arrays["parallel"].values[:, 0] == pytest.approx(slow.parallelism(vectors), abs=1e-5)
    assert outcome.metrics["parallelism"].value == pytest.approx(np.mean(slow.parallelism(vectors)), abs=1e-5)


def test_wrong_formulas_are_caught(llama: Path) -> None:
    table = random_model("llama").get_input_embeddings().weight.detach()
    outcome = calculated(llama, analogies=[FOUR], pairs=PAIRS, k=7)
    a, b, c = (ids_of(word)[0] for word in FOUR[:3])
    wrong = slow.ranking(slow.target(table[a], table[b], table[c], sign=-1), table, {a, b, c})
    assert [row["token_id"] for row in outcome.tables["nearest"].records() if row["item"] == 0] != wrong[:7]
    vectors = [(table[ids_of(first)[0]], table[ids_of(second)[0]]) for first, second in PAIRS]
    assert outcome.arrays["parallel"].values[:, 0] != pytest.approx(slow.parallelism(vectors, centred=True), abs=1e-2)


@pytest.mark.parametrize(("family", "seed", "bos"), [("llama", 0, True), ("gemma3", 1, False), ("gpt2", 2, True)])
def test_in_context_against_loops(family: str, seed: int, bos: bool, request: pytest.FixtureRequest) -> None:
    words = ["apple", "day", "eye", "my", "breakfast"]
    outcome = calculated(
        request.getfixturevalue(family), analogies=[words[:4], words[1:]], layers=[3, 1], template="an {word} a"
    )
    network = random_model(family, seed)
    tokenizer = Tokenizer.from_str(tokenizer_json(bos))
    assert outcome.arrays["rank"].along("layer") == (1, 3)
    for at, layer in enumerate((1, 3)):
        rows = []
        for word in words:
            encoded = tokenizer.encode(f"an {word} a")
            position = max(i for i, (start, end) in enumerate(encoded.offsets) if end == 3 + len(word))
            rows.append(plain.residuals(network, family, encoded.ids)[layer, position])
        for item, (a, b, c, expected) in enumerate([(0, 1, 2, 3), (1, 2, 3, 4)]):
            order = slow.ranking(slow.target(rows[a], rows[b], rows[c]), rows, {a, b, c})
            assert outcome.arrays["rank"].values[item, at] == order.index(expected) + 1
    assert set(outcome.tables["analogies"].column("candidates")) == {2}


def test_two_pairs_of_a_group_make_an_analogy_in_both_directions(llama: Path) -> None:
    pairs = [
        {"first": " apple", "second": " day", "group": "x"},
        {"first": " my", "second": " eye", "group": "x"},
        {"first": " of", "second": "I", "group": "y"},
    ]
    outcome = calculated(llama, pairs=pairs)
    made = [row[1:5] for row in outcome.tables["analogies"].rows]
    assert made == [[" apple", " day", " eye", " my"], [" my", " eye", " day", " apple"]]
    assert outcome.tables["pairs"].column("same_group") == [True, False, False]
    only = outcome.arrays["parallel"].values[0, 0]
    assert outcome.metrics["parallelism"].value == pytest.approx(float(only))


def test_success_is_the_share_of_expected_words_that_come_first_or_among_five(llama: Path) -> None:
    more = [[" apple", "zq"], [" breakfast", " on"], [" for", "an"], [" ate", "the"]]
    outcome = calculated(llama, pairs=[*PAIRS, *more], layers="all")
    ranks = outcome.arrays["rank"].values
    first = [(column <= 1).mean() for column in ranks.T]
    best = int(np.argmax(first))
    assert outcome.metrics["best_layer"].value == best
    assert outcome.metrics["success_at_1"].value == pytest.approx(max(first))
    assert outcome.metrics["success_at_5"].value == pytest.approx((ranks[:, best] <= 5).mean())


def test_a_rank_of_five_among_few_candidates_is_no_finding(llama: Path) -> None:
    outcome = calculated(llama, pairs=PAIRS, layers="all")
    assert set(outcome.tables["analogies"].column("candidates")) == {3}
    assert outcome.metrics["success_at_1"].value is not None
    assert outcome.metrics["success_at_5"].reason == "among 3 candidates or fewer, a rank of 5 is no finding"
    assert "(too few words to count the nearest five)" in told(outcome)
    figures = probe.figures(Section("w", {"m": outcome}, {"m": ModelCard("m", "Tiny", "X", 3)}))
    (success,) = (one for one in figures if one.name == "success")
    assert [curve.label for curve in success.curves] == ["the expected word is the nearest"]
    alone = calculated(llama, analogies=[FOUR], layers="all")
    assert alone.metrics["success_at_1"].reason == "among 1 candidates or fewer, a rank of 1 is no finding"
    assert "no candidate but the expected word" in told(alone)


def test_an_analogy_that_comes_about_twice_is_counted_once(llama: Path) -> None:
    a, b, c, d = FOUR
    outcome = calculated(llama, analogies=[[c, b, a, d], FOUR], pairs=[[a, b], [d, c], [a, b]])
    made = [(*row[1:5], row[7]) for row in outcome.tables["analogies"].rows]
    assert made == [(c, b, a, d, True), (d, c, b, a, False)]


def test_spellings_of_the_words_given_are_left_out_of_the_table_where_that_is_asked(llama: Path) -> None:
    words, table = [" my", " day", "of", " eye"], random_model("llama").get_input_embeddings().weight.detach()
    tokenizer = Tokenizer.from_str(tokenizer_json(True))
    ids = [ids_of(word)[0] for word in words]
    folded = {i for i in range(len(table)) if tokenizer.decode([i]).strip().lower() in ("my", "day", "of")}
    assert len(folded) == 6
    vector = slow.target(*(table[i] for i in ids[:3]))
    for fold, left_out in (("spelling", folded), ("none", set(ids[:3]))):
        outcome = calculated(llama, analogies=[words], k=20, fold=fold)
        order = slow.ranking(vector, table, left_out)
        assert outcome.tables["nearest"].column("token_id") == order[:20]
        assert outcome.tables["analogies"].rows[0][5:7] == [order.index(ids[3]) + 1, len(table) - len(left_out)]
    assert slow.ranking(vector, table, folded)[:20] != slow.ranking(vector, table, set(ids[:3]))[:20]


def test_spellings_of_the_words_given_are_left_out_of_the_probes_words_too(llama: Path) -> None:
    analogies = [["my", "day", "of", "eye"], ["My", "eye", "apple", "day"]]
    for fold, expected in (("none", {"My", "eye", "apple"}), ("spelling", {"eye", "apple"})):
        outcome = calculated(llama, analogies=analogies, layers=[2], fold=fold)
        nearest = [row["token"] for row in outcome.tables["nearest"].records() if row["item"] == 0]
        assert set(nearest) == expected
        assert outcome.arrays["rank"].values[0, 0] == nearest.index("eye") + 1


def test_random_pairs_are_seeded_and_of_the_same_words(llama: Path) -> None:
    one, again, other = (calculated(llama, pairs=PAIRS, seed=seed).arrays["control"].values for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert one.shape == (100, 1)
    # Six words make 6! / (2^3 3!) x 2^3 / 2 = 60 different triples of directed pairs up to a common sign.
    assert 20 < len({round(float(mean), 5) for mean in one[:, 0]}) <= 60


def test_parallel_differences_are_found_where_they_were_planted(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "planted")
    network = random_model("llama")
    with torch.no_grad():
        table = network.get_input_embeddings().weight
        for first, second in PAIRS:
            table[ids_of(first)[0]] = table[ids_of(second)[0]] + 3.0
    network.save_pretrained(folder)
    outcome = calculated(folder, pairs=PAIRS)
    assert outcome.metrics["parallelism"].value == pytest.approx(1.0, abs=1e-5)
    assert outcome.metrics["success_at_1"].value == 1.0
    assert "6 end nearest to the expected of 317 words" in told(outcome)
    assert "Differences of word pairs are parallel: mean cosine 1.00" in told(outcome)
    assert "no more parallel" in told(calculated(save_tiny(tmp_path / "random"), pairs=PAIRS))


def test_a_word_of_several_tokens_is_a_skipped_row_or_is_pooled(llama: Path) -> None:
    outcome = run_probes(
        {"m": llama}, {"w": {"probe": "embedding_arithmetic", "pairs": [*PAIRS, ["zq", "I"]], "pool": "mean"}}
    ).outcomes["w"]["m"]
    table = random_model("llama").get_input_embeddings().weight.detach()
    pooled = table[ids_of("zq")].mean(0)
    vectors = [(table[ids_of(a)[0]], table[ids_of(b)[0]]) for a, b in PAIRS] + [(pooled, table[ids_of("I")[0]])]
    assert outcome.arrays["parallel"].values[:, 0] == pytest.approx(slow.parallelism(vectors), abs=1e-5)
    with pytest.raises(BatteryError, match=r"'zq − I' can be used in no model: 'zq' is 2 tokens: z \| q \(pool: mean"):
        calculated(llama, pairs=[*PAIRS, ["zq", "I"]])


def test_a_prompt_set_gives_pairs(llama: Path) -> None:
    found = calculated(llama, pairs="word_pairs/translations", pool="mean").tables["words"].records()
    assert found[0] == {"item": 0, "first": "冷", "second": " cold", "group": "translation"}
    assert len(found) == 8


def test_a_chat_is_a_template_too(tmp_path: Path) -> None:
    template = "{% for m in messages %}<bos>{{ m.content }}{% endfor %}"
    folder = save_tiny(tmp_path / "chat", chat_template=template)
    chat = calculated(
        folder, pairs=PAIRS, layers=[2], template={"messages": [{"role": "user", "content": "an {word}"}]}
    )
    text = calculated(folder, pairs=PAIRS, layers=[2], template="an {word}")
    assert np.array_equal(chat.arrays["parallel"].values, text.arrays["parallel"].values)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "pairs or analogies is needed"),
        ({"pairs": PAIRS, "layers": [4]}, "layer 4 is out of range: layers go from 0 to 3"),
        ({"pairs": PAIRS, "layers": "all", "template": "no place"}, "stands 0 times in the template: once is needed"),
        ({"pairs": [["a"]]}, r"a pair is two words, not 1: \[king, man\]"),
        ({"pairs": "word_pairs/nothing"}, "there is no prompt set"),
        ({"pairs": "lecture/weather"}, "is not two prompts of a word each"),
        ({"analogies": [["a", "b"]]}, "analogies"),
        ({"analogies": [["a", "b", "c", "a"]]}, "the expected word 'a' is one of the three"),
        ({"analogies": [["a", "b", "c", " A"]], "fold": "spelling"}, "the expected word ' A' is one of the three"),
        ({"pairs": PAIRS, "layers": "all", "template": "day of {word}"}, "the word 'day' stands 2 times"),
        ({"pairs": PAIRS, "layers": "all", "template": "an " * 600 + "{word}"}, "exceeds the context of 512"),
        ({"pairs": PAIRS, "layers": "all", "template": {"messages": [{"role": "user", "content": "{word}"}]}}, "chat"),
    ],
)
def test_what_cannot_be_is_told_before_any_pass(llama: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(BatteryError, match=message):
        calculated(llama, **options)


def test_without_an_expected_word_or_two_pairs_of_a_group_there_is_no_clear_statement(llama: Path) -> None:
    outcome = calculated(llama, analogies=[FOUR[:3]])
    assert told(outcome).startswith("No clear statement about Tiny")
    assert outcome.metrics["success_at_1"].reason == "no analogy with an expected word can be made here"
    assert np.isnan(outcome.arrays["rank"].values).all()


@pytest.mark.real
def test_冷_less_cold_and_small_is_小_in_gemma_without_other_spellings_of_small() -> None:
    found = {
        fold: calculated("demo:gemma-3-270m", analogies=[["冷", " cold", " small", "小"]], fold=fold)
        for fold in ("none", "spelling")
    }
    assert {fold: outcome.arrays["rank"].values.item() for fold, outcome in found.items()} == {"none": 5, "spelling": 1}
