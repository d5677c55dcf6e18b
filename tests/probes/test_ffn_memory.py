from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from reportgen.errors import BatteryError
from reportgen.figures.describe import Rankings, TokenGrid
from reportgen.probes.ffn_memory import StrongestCoefficients, probe
from reportgen.probes.ffn_memory.figures import _last_words
from reportgen.probes.ffn_memory.run import _spells
from reportgen.results.quantities import Outcome
from reportgen.results.section import ModelCard, Section
from reportgen.text.characters import mark_space
from tests.reference import ffn_memory as reference
from tests.runs import run_probes
from tests.tiny import random_model, save_tiny, tokenizer_json

TEXT = "I ate an apple"
TEXTS = ["an apple a day", "the apple of my eye", "a zebra for breakfast", "I ate"]
FAMILIES = ("llama", "gemma3", "gpt2")
K = 3


def memories(source: Path | str, **options: Any) -> Outcome:
    probes = {"ffn": {"probe": "ffn_memory", "prompts": [TEXT], "k": K, **options}}
    return run_probes({"m": source}, probes).outcomes["ffn"]["m"]


def ids_of(text: str) -> list[int]:
    ids: list[int] = Tokenizer.from_str(tokenizer_json()).encode(text).ids
    return ids


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Outcome]:
    """What the probe says of a tiny model a family."""
    folder = tmp_path_factory.mktemp("families")
    return {
        family: memories(save_tiny(folder / family, family), texts=TEXTS, prefixes=4, keys=[[1, 7], [2, 30]])
        for family in FAMILIES
    }


def at_block(outcome: Outcome, block: int) -> list[tuple[int, float, float]]:
    records = [r for r in outcome.tables["memories"].records() if r["block"] == block]
    return [(r["feature"], r["coefficient"], r["strength"]) for r in records]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_strongest_memories_against_the_reference(family: str, found: Mapping[str, Outcome]) -> None:
    for block in range(3):
        expected = reference.strongest(random_model(family), family, ids_of(TEXT), block, K)
        seen = at_block(found[family], block)
        assert [feature for feature, *_ in seen] == [feature for feature, *_ in expected]
        assert [m for _, m, _ in seen] == pytest.approx([m for _, m, _ in expected], rel=1e-3)
        assert [s for *_, s in seen] == pytest.approx([s for *_, s in expected], rel=1e-3)
        assert found[family].arrays["strength"].values[0, block] == pytest.approx([s for *_, s in expected], rel=1e-3)


def test_a_strength_without_the_norm_of_the_value_does_not_agree(found: Mapping[str, Outcome]) -> None:
    network = random_model("llama")
    wrong = [reference.strongest(network, "llama", ids_of(TEXT), block, K, by_norm=False) for block in range(3)]
    right = [at_block(found["llama"], block) for block in range(3)]
    assert [[f for f, *_ in block] for block in wrong] != [[f for f, *_ in block] for block in right]


def readings(outcome: Outcome, block: int, feature: int, end: str) -> list[tuple[int, float]]:
    records = outcome.tables["readings"].records()
    return [
        (r["token_id"], r["score"]) for r in records if (r["block"], r["feature"], r["end"]) == (block, feature, end)
    ]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_tokens_of_a_value_against_the_reference(family: str, found: Mapping[str, Outcome]) -> None:
    expected = reference.scores(random_model(family), family, 1, 7)
    order = sorted(range(len(expected)), key=lambda i: -expected[i])
    for end, ids in (("top", order[:5]), ("bottom", order[::-1][:5])):
        seen = readings(found[family], 1, 7, end)
        assert [i for i, _ in seen] == ids
        # The reference's own gain is that of the norm; what was found is it, measured on large rows.
        assert [s for _, s in seen] == pytest.approx([expected[i] for i in ids], rel=1e-3)


@pytest.mark.parametrize("wrong", [{"gain": False}, {"final_norm": True}], ids=lambda wrong: next(iter(wrong)))
def test_another_norm_does_not_agree(wrong: dict[str, bool], found: Mapping[str, Outcome]) -> None:
    expected = reference.scores(random_model("gemma3"), "gemma3", 1, 7, **wrong)
    seen = readings(found["gemma3"], 1, 7, "top")
    assert [s for _, s in seen] != pytest.approx([expected[i] for i, _ in seen], rel=1e-2)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_prefixes_that_set_a_key_off_against_the_reference(family: str, found: Mapping[str, Outcome]) -> None:
    network, every = random_model(family), []
    for text, written in enumerate(TEXTS):
        rows = reference.coefficients(network, family, ids_of(written), 2)
        every += [(row[30], text, position) for position, row in enumerate(rows) if position > 0]  # 0 is BOS
    expected = sorted(every, key=lambda one: -abs(one[0]))[:4]
    seen = [r for r in found[family].tables["triggers"].records() if (r["block"], r["feature"]) == (2, 30)]
    assert [(r["text"], r["position"]) for r in seen] == [(text, position) for _, text, position in expected]
    assert [r["coefficient"] for r in seen] == pytest.approx([m for m, *_ in expected], rel=1e-3)
    tokenizer = Tokenizer.from_str(tokenizer_json())
    first = ids_of(TEXTS[seen[0]["text"]])[: seen[0]["position"] + 1]
    assert seen[0]["prefix"].endswith(tokenizer.decode(first))


def test_a_memory_with_a_negative_coefficient_speaks_for_the_bottom_of_its_value(found: Mapping[str, Outcome]) -> None:
    rows = found["llama"].tables["memories"].records()
    assert {row["coefficient"] > 0 for row in rows} == {True, False}
    for row in rows:
        end = "top" if row["coefficient"] > 0 else "bottom"
        records = found["llama"].tables["readings"].records()
        key = (row["block"], row["feature"], end)
        first = next(r["token"] for r in records if (r["block"], r["feature"], r["end"]) == key)
        assert row["speaks_for"].startswith(mark_space(first))


def test_where_no_key_is_named_the_strongest_of_each_block_is_looked_for(
    llama: Path, found: Mapping[str, Outcome]
) -> None:
    outcome = memories(llama, texts=TEXTS, prefixes=2)
    first = [(r["block"], r["feature"]) for r in outcome.tables["memories"].records() if r["rank"] == 1]
    assert list(dict.fromkeys((r["block"], r["feature"]) for r in outcome.tables["triggers"].records())) == first
    feature = first[2][1]
    named = memories(llama, texts=TEXTS, prefixes=2, keys=[[2, feature]])
    of_block = [row for row in outcome.tables["triggers"].rows if row[:2] == [2, feature]]
    assert named.tables["triggers"].rows == of_block
    assert memories(llama).tables["triggers"].rows == []


def test_a_reducer_keeps_so_many_and_merges_to_the_same() -> None:
    import torch

    rows = torch.randn(9, 6, generator=torch.Generator().manual_seed(3))
    reducer = StrongestCoefficients(((1, 4), (1, 2), (2, 0)), 3, left_out=(0,))
    state = reducer.finish(reducer.update(reducer.init(), rows, index=1, step=0))
    assert set(state) == {(1, 4), (1, 2)}
    by_hand = sorted(range(1, 9), key=lambda position: -abs(float(rows[position, 4])))[:3]
    assert [position for _, position in state[1, 4]] == by_hand
    other = reducer.update(reducer.init(), rows * 2, index=1, step=0)
    merged = reducer.merge(state, other)
    assert len(merged[1, 4]) == 3
    assert merged[1, 4][0][0] == pytest.approx(2 * state[1, 4][0][0])


def test_what_is_out_of_range_is_told_with_the_range(llama: Path) -> None:
    with pytest.raises(BatteryError, match="block 7 is out of range: blocks go from 0 to 2"):
        memories(llama, blocks=[7])
    with pytest.raises(BatteryError, match=r"there is no position 50: those of '.*' go from 0 to \d+"):
        memories(llama, position=50)
    with pytest.raises(BatteryError, match="keys: name the texts in which to look for them"):
        memories(llama, keys=[[0, 1]])
    with pytest.raises(BatteryError, match=r"there is no memory 0\.999: features go from 0 to 39"):
        memories(llama, texts=TEXTS, keys=[[0, 999]])


def test_some_blocks_alone_have_their_numbers(llama: Path) -> None:
    outcome = memories(llama, blocks=[2, 0])
    assert outcome.arrays["strength"].along("block") == (0, 2)
    assert outcome.arrays["strength"].along("rank") == (1, 2, 3)
    whole = memories(llama)
    assert outcome.arrays["strength"].values[0, 1].tolist() == whole.arrays["strength"].values[0, 2].tolist()
    shares = whole.arrays["strength"].values[0, :, 0]
    assert 0 < whole.metrics["strongest_share"].value < 1
    assert (shares > 0).all()


def test_experts_have_no_memories_of_their_own(tmp_path: Path) -> None:
    outcome = memories(save_tiny(tmp_path / "m", "mixtral"))
    assert outcome.status == "skipped"
    assert "mixture of experts" in outcome.reason


@pytest.mark.real
def test_a_memory_of_smollm2_knows_what_is_japanese_and_another_waits_for_a_capital() -> None:
    outcome = memories(
        "demo:smollm2-135m-instruct",
        prompts=["The capital of Japan is"],
        texts="components/triggers",
        keys=[[27, 1392]],
        blocks=[23, 24, 27],
    )
    by_key = {(r["block"], r["feature"]): r for r in outcome.tables["memories"].records()}
    assert by_key[23, 1508]["word"] == " Japanese"
    assert (by_key[24, 1005]["word"], by_key[24, 1005]["rank"]) == (" capitals", 1)
    assert by_key[24, 1005]["coefficient"] < 0
    assert outcome.metrics["telling_blocks"].value == 2
    prefixes = [r["prefix"] for r in outcome.tables["triggers"].records()]
    assert prefixes[:2] == ["The capital of France is", "The capital of France is Paris and the capital of"]
    section = Section("ffn", {"m": outcome}, {"m": ModelCard("m", "SmolLM2", "X", 30)})
    assert "24.1005, number 1 of its block, promotes “␣capitals”" in probe.statement(section)
    grid, _ = probe.figures(section)
    assert isinstance(grid, TokenGrid)
    assert grid.rows == ["27", "24", "23"]
    assert grid.outlined.any(axis=1).tolist() == [False, True, True]


@pytest.mark.real
def test_a_memory_of_gemma_writes_cities() -> None:
    outcome = memories("demo:gemma-3-270m", prompts=["The capital of Japan is"], blocks=[12])
    rows = {r["feature"]: r["speaks_for"] for r in outcome.tables["memories"].records()}
    assert "␣city" in rows[1542]
    assert "␣cities" in rows[1542]


@pytest.mark.parametrize(
    ("token", "spells"),
    [
        (" Japanese", True),
        ("Jap", False),
        (" Capit", True),
        ("is", False),
        ("Tokyo", True),
        (".", False),
        ("東京", True),
    ],
)
def test_which_tokens_spell_a_word_of_the_prompt(token: str, spells: bool) -> None:
    assert _spells(token, ["tokyo", "capital", "japan", "東京"]) is spells


def test_prefixes_are_drawn_key_by_key(llama: Path) -> None:
    outcome = memories(llama, texts=TEXTS)
    figures = list(probe.figures(Section("ffn", {"m": outcome}, {"m": ModelCard("m", "Tiny", "X", 3)})))
    (rankings,) = (figure for figure in figures if isinstance(figure, Rankings))
    assert len(rankings.rankings) == 3
    assert all(len(ranking.labels) == 5 for ranking in rankings.rankings)


@pytest.mark.parametrize(
    ("prefix", "shown"),
    [("My", "My"), ("The capital of France is", "…France is"), ("日本的首都是東京，法國的首都是巴黎", "…都是巴黎")],
)
def test_the_end_of_a_prefix_is_what_is_shown(prefix: str, shown: str) -> None:
    assert _last_words(prefix) == shown
