"""The structural probe of tiny models: what it stores fits together, and what is refused or left out is said."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from reportgen.battery.reader import read_battery
from reportgen.errors import BatteryError
from reportgen.figures.describe import Arcs, Curves, Figure, Maps, TokenGrid
from reportgen.probes.structural_probe import probe, readings
from reportgen.probes.structural_probe.grammar import write_sentences
from reportgen.probes.structural_probe.readings import _read_cached
from reportgen.probes.structural_probe.scores import score_chain
from reportgen.probes.structural_probe.treebanks import BUILT_IN, split_treebank
from reportgen.probes.structural_probe.trees import Sentence
from reportgen.probing.case import Case
from reportgen.results.quantities import Metric, Outcome
from reportgen.results.section import ModelCard, Section
from reportgen.running.plan import make_plan
from reportgen.text.tokens import TextTokenizer
from reportgen.training import tree_maps
from tests.probes.test_treebanks import write_conllu
from tests.reference.structural_probe import kruskal
from tests.runs import run_probes

ENTRY = {"probe": "structural_probe", "sentences": 40, "test_sentences": 20, "rank": 6}


@pytest.fixture(scope="module", autouse=True)
def short_training() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tree_maps, "EPOCHS", 3)
        yield


def measure(source: Path, **options: Any) -> Outcome:
    return run_probes({"m": source}, {"trees": {**ENTRY, **options}}).outcomes["trees"]["m"]


@pytest.fixture(scope="module")
def outcome(llama: Path) -> Outcome:
    return measure(llama, ranks=[1, 3])


def section_of(outcome: Outcome) -> Section:
    card = ModelCard("m", "Model", "LlamaForCausalLM", 3)
    return Section("trees", {"m": outcome}, {"m": card})


def test_numbers_fit_together(outcome: Outcome) -> None:
    assert outcome.status == "ok", outcome.reason
    uuas, metrics = outcome.arrays["uuas"].values, outcome.metrics
    assert metrics["best_layer"].value == int(uuas.argmax())
    assert metrics["uuas"].value == uuas.max()
    assert metrics["dspr"].value == outcome.arrays["dspr"].values[uuas.argmax()]
    assert metrics["uuas_embedding"].value == uuas[0]
    assert metrics["uuas_twin"].value == outcome.arrays["uuas_random"].values.max()
    tested = split_treebank(BUILT_IN, None, 0, None, (40, 20)).tested
    assert (metrics["uuas_chain"].value, metrics["dspr_chain"].value) == score_chain(tested)
    assert (metrics["trained_sentences"].value, metrics["test_sentences"].value) == (40, 20)
    assert metrics["edges"].value == sum(len(one.edges) for one in tested)
    assert metrics["left_out"].value == metrics["unfit"].value == 0
    assert [row[0] for row in outcome.tables["sweep"].rows] == [1, 3, 6]
    assert outcome.tables["sweep"].rows[2][1:] == [metrics["uuas"].value, metrics["dspr"].value]


def test_trees_that_are_stored_are_those_of_the_distances_that_are(outcome: Outcome) -> None:
    best = int(outcome.metrics["best_layer"].value or 0)
    for row in outcome.tables["shown"].records():
        number = row["sentence"]
        words = [one for one in outcome.tables["parses"].records() if one["sentence"] == number]
        counted = [one["place"] for one in words if one["counted"]]
        apart = outcome.arrays[f"distances/{number}"].values[best]
        found = {(one["first"], one["second"]): one["gold"] for one in outcome.tables["recovered"].records()
                 if one["sentence"] == number}  # fmt: skip
        assert set(found) == kruskal(apart, counted)
        assert sum(found.values()) == row["right"]
        gold = {(min(one["place"], one["head"]), max(one["place"], one["head"])) for one in words
                if one["head"] is not None and one["counted"]}  # fmt: skip
        assert {edge for edge, right in found.items() if right} == set(found) & gold
        assert np.isnan(outcome.arrays[f"points/{number}"].values[0]).all(axis=1).sum() == len(words) - len(counted)


def test_the_same_seed_gives_the_same_and_another_another(llama: Path, outcome: Outcome) -> None:
    again, other = measure(llama, ranks=[1, 3]), measure(llama, ranks=[1, 3], seed=1)
    for name, array in outcome.arrays.items():
        np.testing.assert_array_equal(array.values, again.arrays[name].values)
    assert not np.array_equal(outcome.arrays["uuas"].values, other.arrays["uuas"].values)


def test_layers_in_groups_give_the_same(llama: Path, outcome: Outcome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings, "HELD_BYTES", 24 * 4 * 1800)  # two layers
    grouped = measure(llama, ranks=[1, 3])
    for name in ("uuas", "dspr", "uuas_random"):
        np.testing.assert_allclose(outcome.arrays[name].values, grouped.arrays[name].values, atol=0.02)
    some = measure(llama, layers=[2], twin=False)
    assert some.arrays["uuas"].along("layer") == (0, 2)
    np.testing.assert_allclose(some.arrays["uuas"].values, outcome.arrays["uuas"].values[[0, 2]], atol=0.02)


def test_passes_and_memory_are_counted(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    split = split_treebank(BUILT_IN, None, 0, None, (40, 20))

    def ask(**options: Any) -> Case[Any]:
        battery = {"models": {"m": str(llama)}, "probes": {"trees": {**ENTRY, **options}}}
        (case,) = make_plan(read_battery(json.dumps(battery))).models[0].cases
        return case.sides[0].case

    words = sum(len(one.words) for some in (split.trained, split.tested) for one in some)
    assert probe.held_bytes(ask()) == 4 * words * 24 * 4
    assert probe.further_passes(ask(twin=False)) == 60
    assert probe.further_passes(ask()) == 120
    monkeypatch.setattr(readings, "HELD_BYTES", 24 * 4 * 1800)
    assert probe.further_passes(ask()) == 240
    assert probe.held_bytes(ask()) == 2 * words * 24 * 4


def test_without_a_twin_there_are_no_numbers_of_it(llama: Path) -> None:
    alone = measure(llama, twin=False, show=["grammar-3"])
    assert "uuas_twin" not in alone.metrics
    assert "uuas_random" not in alone.arrays
    assert [row[1] for row in alone.tables["shown"].rows] == ["grammar-3"]
    curves = next(one for one in probe.figures(section_of(alone)) if isinstance(one, Curves))
    assert [curve.label for curve in curves.curves] == ["Model"]
    assert "random" not in probe.statement(section_of(alone))


def test_a_treebank_of_ones_own_is_read(llama: Path, tmp_path: Path) -> None:
    file = tmp_path / "own.conllu"
    file.write_text("\n".join(map(write_conllu, write_sentences(64, 5))))
    found = measure(llama, treebank=str(file), twin=False, show=["grammar-1"])
    assert found.status == "ok", found.reason
    assert (found.metrics["trained_sentences"].value, found.metrics["test_sentences"].value) == (40, 20)
    assert found.options["treebanks_sha256"] == [hashlib.sha256(file.read_bytes()).hexdigest()]
    sentence = write_sentences(64, 5)[1]
    assert [row[1:3] for row in found.tables["shown"].rows] == [["grammar-1", sentence.text]]
    assert [row[2] for row in found.tables["parses"].rows] == list(sentence.words)


def test_a_map_may_not_have_more_rows_than_the_model_is_wide(llama: Path) -> None:
    with pytest.raises(BatteryError, match="a map of rank 25 has more rows than the model is wide"):
        measure(llama, rank=25)


def test_its_figures_show_trees_planes_and_distances(outcome: Outcome) -> None:
    found: dict[str, Figure] = {one.name: one for one in probe.figures(section_of(outcome))}
    assert list(found) == [
        "uuas", "dspr", "ranks", "tree-0", "tree-1", "plane-0", "plane-1", "distances-tree", "distances-map",
    ]  # fmt: skip
    curves, tree, plane, gold = (found[name] for name in ("uuas", "tree-0", "plane-0", "distances-tree"))
    assert isinstance(curves, Curves)
    assert [curve.label for curve in curves.curves] == ["Model", "Model, random weights"]
    assert curves.references == {"linear chain": outcome.metrics["uuas_chain"].value}
    assert isinstance(tree, Arcs)
    assert len(tree.above) == len(tree.below) == len(tree.words) - 2, "a full stop is no part of it"
    assert isinstance(plane, Maps)
    assert {len(panel.edges) for panel in plane.panels} == {len(tree.above)}
    assert "." not in plane.labels
    words = {(plane.labels[first], plane.labels[second]) for first, second in plane.panels[0].edges}
    assert words == {(tree.words[first], tree.words[second]) for first, second in tree.above}
    assert isinstance(gold, TokenGrid)
    assert gold.texts[0][0] == "0"
    assert all(gold.texts[first][second] == gold.texts[second][first] == "1" for first, second in tree.above)


def with_curve(outcome: Outcome, uuas: list[float], chain: float = 0.4, twin: float = 0.3) -> Section:
    """The same, its numbers by layer replaced."""
    best = int(np.argmax(uuas))
    metrics = {**outcome.metrics}
    for name, value in {"uuas": max(uuas), "best_layer": best, "uuas_embedding": uuas[0], "uuas_chain": chain,
                        "uuas_twin": twin, "edges": 2000}.items():  # fmt: skip
        metrics[name] = Metric(value, metrics[name].unit)
    arrays = {**outcome.arrays, "uuas": replace(outcome.arrays["uuas"], values=np.array(uuas))}
    return section_of(replace(outcome, metrics=metrics, arrays=arrays))


def test_the_sentence_names_its_controls_and_a_hump(outcome: Outcome) -> None:
    told = probe.statement(with_curve(outcome, [0.3, 0.8, 0.6, 0.5]))
    assert told == (
        "Model shows the trees best at layer 1 of 3 (33%): 80% of 2,000 edges in 20 held-out sentences, the most of "
        "4 layers on these, next to 40% for the linear chain, 30% at layer 0 and 30% with random weights. The curve "
        "has a hump in the middle: the last layer shows 50%."
    )
    assert "no hump in the middle: the last layer shows 78%" in probe.statement(
        with_curve(outcome, [0.3, 0.8, 0.8, 0.78])
    )
    assert "no hump in the middle" in probe.statement(with_curve(outcome, [0.3, 0.5, 0.6, 0.8]))


@pytest.mark.parametrize(("uuas", "chain", "twin"), [
    ([0.3, 0.44, 0.3, 0.3], 0.4, 0.3), ([0.76, 0.8, 0.3, 0.3], 0.4, 0.3), ([0.3, 0.8, 0.3, 0.3], 0.4, 0.76),
])  # fmt: skip
def test_what_does_not_exceed_every_control_shows_nothing(
    outcome: Outcome, uuas: list[float], chain: float, twin: float
) -> None:
    told = probe.statement(with_curve(outcome, uuas, chain, twin))
    assert told.startswith("Model shows no more of the trees than its controls do, to within 5%: at its best layer")
    assert "hump" not in told


def test_few_edges_ask_for_more(outcome: Outcome) -> None:
    section = with_curve(outcome, [0.3, 0.5, 0.3, 0.3])
    assert "best at layer" in probe.statement(section)
    metrics = {**section.outcomes["m"].metrics, "edges": Metric(100)}
    few = section_of(replace(section.outcomes["m"], metrics=metrics))
    assert "no more of the trees" in probe.statement(few)


@pytest.mark.real
@pytest.mark.slow
def test_a_trained_model_shows_more_than_the_chain_and_the_embedding(
    smollm2_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree_maps, "EPOCHS", 40)
    found = measure(smollm2_folder, sentences=300, test_sentences=100, rank=32, layers=[20], twin=False)
    embedding, best = found.arrays["uuas"].values
    chain = found.metrics["uuas_chain"].value
    assert chain == pytest.approx(0.45, abs=0.05)
    assert embedding < 0.5
    assert best > max(embedding, chain) + 0.1
    assert found.arrays["dspr"].values[1] > (found.metrics["dspr_chain"].value or 1) + 0.1


SENTENCE = Sentence("s", ("ice", "cream", "!"), (1, -1, 1), (False, False, True), (True, False, False))


def read(*offsets: tuple[int, int]) -> Any:
    """The sentence as a tokenizer reads it that cuts it so, after a BOS."""
    encoded = SimpleNamespace(ids=tuple(range(len(offsets) + 1)), offsets=((0, 0), *offsets),
                              added=(True, *(False for _ in offsets)))  # fmt: skip
    tokenizer = SimpleNamespace(encode_prompt=lambda prompt: encoded, reason_against_tokens=lambda ids: "")
    return _read_cached.__wrapped__(tokenizer, SENTENCE)


def test_a_word_is_read_at_its_last_token_or_not_at_all() -> None:
    assert read((0, 3), (3, 6), (6, 9), (9, 10)).positions == (1, 3, 4)
    assert read((0, 3), (3, 9), (9, 10), (9, 10)).positions == (1, 2, 4), "a character of two tokens"
    assert read((0, 3), (3, 10)) is None, "a token reaches over the end of cream"
    assert read((0, 5), (5, 9), (9, 10)) is None


def test_sentences_left_out_are_counted_and_told(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = readings._read_cached

    def leave_some(tokenizer: TextTokenizer, sentence: Sentence) -> Any:
        return None if sentence.id == "grammar-61" else whole(tokenizer, sentence)

    monkeypatch.setattr(readings, "_read_cached", leave_some)
    found = measure(llama, sentences=42, test_sentences=21, twin=False)
    assert found.metrics["left_out"].value == 1
    assert "1 sentence is left out: a token of Model reaches over the end of a word." in probe.statement(
        section_of(found)
    )
    with pytest.raises(BatteryError, match="can be used in no model: a token reaches over the end of a word"):
        measure(llama, sentences=42, test_sentences=21, show=["grammar-61", "grammar-60"])
