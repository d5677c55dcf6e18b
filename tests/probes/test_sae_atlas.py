from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file
from tokenizers import Tokenizer

from reportgen.battery.reader import read_battery
from reportgen.errors import BatteryError
from reportgen.features.labels import EXAMPLES, EXPLAINER, PROMOTED, Label
from reportgen.model.sae import streaming
from reportgen.model.sae.explainer import Evidence, Explainer, first_line_of
from reportgen.probes.sae_atlas import probe, statement
from reportgen.probes.sae_atlas.run import best_label
from reportgen.results.quantities import Outcome
from reportgen.results.section import ModelCard, Section
from reportgen.running.execute import execute
from reportgen.running.outcome_cache import OutcomeCache
from reportgen.running.plan import make_plan
from reportgen.text.tokens import TextTokenizer
from tests.reference import sae_atlas as slow
from tests.reference.plain import PARTS
from tests.runs import run_probes
from tests.tiny import random_model, save_tiny, tokenizer_json
from tests.tiny_dictionaries import AT_THRESHOLD, FEATURES, save_dictionaries

CONTEXT = 16
WORDS = [
    "I",
    "ate",
    "an",
    "apple",
    "for",
    "breakfast",
    "a",
    "day",
    "the",
    "of",
    "my",
    "eye",
    ",",
    ";",
    "12",
    "蘋果",
    "Apfel",
]
TEXTS = [" ".join(np.random.default_rng(number).choice(WORDS, length)) for number, length in enumerate((130, 110, 7))]


@pytest.fixture(scope="module")
def dictionaries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_dictionaries(tmp_path_factory.mktemp("dictionaries"), (1, 2))


def options(dictionaries: Path, **more: Any) -> dict[str, Any]:
    asked = {"probe": "sae_atlas", "dictionaries": str(dictionaries), "context": CONTEXT, "cards": "all"}
    return {**asked, **({} if "text_file" in more else {"texts": TEXTS}), **more}


def atlas(source: Path, dictionaries: Path, **more: Any) -> Outcome:
    outcome = run_probes({"m": source}, {"a": options(dictionaries, **more)}).outcomes["a"]["m"]
    assert outcome.status == "ok", outcome.reason
    return outcome


def reference(family: str, seed: int, bos: bool, layer: int, dictionaries: Path, **wrong: Any) -> Any:
    """(tokens, fired, strongest) and the windows, by loops."""
    tokenizer, head = Tokenizer.from_str(tokenizer_json(bos)), [0] if bos else []
    windows = [
        one
        for text in TEXTS
        for one in slow.windows(tokenizer.encode(text, add_special_tokens=False).ids, head, CONTEXT)
    ]
    network = random_model(family, seed)
    blocks = network.get_submodule(PARTS[family].blocks)
    rows = [slow.streams(network, blocks, window, layer) for window in windows]
    held = load_file(dictionaries / f"layer_{layer}" / "sae_weights.safetensors")
    skip = wrong.pop("skip", len(head))
    return (*slow.statistics(rows, held, skip, 5, **wrong), windows)


FAMILIES = [("llama", 0, True), ("gemma3", 1, False), ("gpt2", 2, True)]


@pytest.mark.parametrize(("family", "seed", "bos"), FAMILIES)
def test_densities_and_examples_against_loops(
    family: str, seed: int, bos: bool, dictionaries: Path, request: pytest.FixtureRequest
) -> None:
    outcome = atlas(request.getfixturevalue(family), dictionaries)
    tokens, fired, strongest, windows = reference(family, seed, bos, 2, dictionaries)
    assert len(windows) > streaming.PORTION
    assert outcome.tables["summary"].records()[1]["tokens"] == tokens
    assert outcome.arrays["density/1"].values == pytest.approx(np.array(fired) / tokens, abs=1e-12)
    records = [r for r in outcome.tables["examples"].records() if r["item"] == 1]
    for feature, expected in enumerate(strongest):
        found = [r["activation"] for r in records if r["feature"] == feature]
        assert found == pytest.approx([value for value, *_ in expected], rel=1e-4)
    assert outcome.arrays["histogram/1"].values.sum(1).tolist() == fired


def test_bos_counted_is_caught(llama: Path, dictionaries: Path) -> None:
    tokens, fired, _, _ = reference("llama", 0, True, 2, dictionaries, skip=0)
    outcome = atlas(llama, dictionaries)
    assert outcome.tables["summary"].records()[1]["tokens"] != tokens
    assert outcome.arrays["histogram/1"].values.sum(1).tolist() != fired


def test_several_examples_of_a_window_are_caught(llama: Path, dictionaries: Path) -> None:
    _, _, strongest, _ = reference("llama", 0, True, 2, dictionaries, one_a_window=False)
    records = [r for r in atlas(llama, dictionaries).tables["examples"].records() if r["item"] == 1]
    found = [[r["activation"] for r in records if r["feature"] == feature] for feature in range(FEATURES)]
    assert found != [pytest.approx([value for value, *_ in one], rel=1e-4) for one in strongest]


def test_each_example_is_the_text_around_its_token(gemma3: Path, dictionaries: Path) -> None:
    outcome = atlas(gemma3, dictionaries)
    tokenizer = Tokenizer.from_str(tokenizer_json(False))
    _, _, strongest, windows = reference("gemma3", 1, False, 1, dictionaries)
    records = [r for r in outcome.tables["examples"].records() if r["item"] == 0 and r["rank"] == 1]
    assert records
    for record in records:
        _, window, position = strongest[record["feature"]][0]
        text = TextTokenizer(tokenizer)
        assert record["token"] == text.show(windows[window][position])
        assert record["before"] == text.decode(windows[window][max(0, position - 12) : position])
        assert record["after"] == text.decode(windows[window][position + 1 : position + 13])


def test_a_feature_at_its_threshold_is_dead_and_has_no_card(llama: Path, dictionaries: Path) -> None:
    outcome = atlas(llama, dictionaries)
    assert outcome.arrays["density/0"].values[AT_THRESHOLD] == 0
    cards = {(r["item"], r["feature"]) for r in outcome.tables["features"].records()}
    assert (0, AT_THRESHOLD) not in cards
    alive = sum(int((outcome.arrays[f"density/{item}"].values > 0).sum()) for item in (0, 1))
    assert len(cards) == alive
    assert outcome.metrics["dead_share"].value == pytest.approx(1 - alive / (2 * FEATURES))


def test_scores_of_patterns_are_those_of_their_tokens_one_by_one(
    llama: Path, dictionaries: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = []
    take = streaming.AtlasStream.take

    def spied(self: Any, portion: Any, captured: Any) -> None:
        streams.append(self)
        take(self, portion, captured)

    monkeypatch.setattr(streaming.AtlasStream, "take", spied)
    outcome = atlas(llama, dictionaries)
    patterns = streams[-1].patterns[1]
    windows = [one for number, one in enumerate(reference("llama", 0, True, 2, dictionaries)[3]) if number % 2]
    network = random_model("llama")
    held = load_file(dictionaries / "layer_2" / "sae_weights.safetensors")
    rows = [slow.streams(network, network.model.layers, window, 2) for window in windows]
    tokens = [
        (window[at], window[at - 1] if at > 1 else -1, slow.activations(row[at], held))
        for window, row in zip(windows, rows, strict=True)
        for at in range(1, len(window))
    ]
    labels = [r for r in outcome.tables["labels"].records() if r["item"] == 1 and r["origin"] == EXAMPLES]
    assert len([r for r in labels if r["score"] is not None]) > 5
    for record in labels:
        pattern = patterns[record["feature"]]
        kinds: dict[bool, list[float]] = {True: [], False: []}
        for token, before, active in tokens:
            matched = float((token if pattern.where == "token" else before) in pattern.ids)
            kinds[active[record["feature"]] > 0].append(matched)
        if kinds[True] and kinds[False]:
            assert record["score"] == pytest.approx(slow.auc(kinds[True], kinds[False]))
        assert record["held_out"] == len(kinds[True])


def battery_plan(source: Path, dictionaries: Path, cache: OutcomeCache) -> Any:
    import json

    asked = {"models": {"m": str(source)}, "probes": {"a": options(dictionaries)}}
    return make_plan(read_battery(json.dumps(asked)), cache=cache)


def test_an_interrupted_run_goes_on_to_the_same_bytes(
    llama: Path, dictionaries: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = atlas(llama, dictionaries)  # without a cache
    monkeypatch.setattr(streaming, "PORTION", 2)
    monkeypatch.setattr(streaming, "KEPT_EVERY", 3)
    take, taken = streaming.AtlasStream.take, []

    def killed(self: Any, portion: Any, captured: Any) -> None:
        if len(taken) == 8:
            raise KeyboardInterrupt
        taken.append(list(portion))
        take(self, portion, captured)

    cache = OutcomeCache()
    monkeypatch.setattr(streaming.AtlasStream, "take", killed)
    with pytest.raises(KeyboardInterrupt):
        execute(battery_plan(llama, dictionaries, cache), cache=cache)

    after = []

    def counted(self: Any, portion: Any, captured: Any) -> None:
        after.append(list(portion))
        take(self, portion, captured)

    monkeypatch.setattr(streaming.AtlasStream, "take", counted)
    again = execute(battery_plan(llama, dictionaries, cache), cache=cache).outcomes["a"]["m"]
    assert after[0] == taken[6]
    assert taken[:6] + after == list(streaming.portions_of(sum(map(len, [*taken[:6], *after]))))
    assert again.tables == whole.tables
    assert again.metrics == whole.metrics
    assert all(np.array_equal(again.arrays[name].values, one.values) for name, one in whole.arrays.items())


def test_what_another_atlas_has_kept_is_not_gone_on_with(llama: Path, dictionaries: Path) -> None:
    cache = OutcomeCache()
    first = battery_plan(llama, dictionaries, cache)
    execute(first, cache=cache)
    kept = [file for file in cache._shelf.files() if b"0.0.strongest" in file.read_bytes()]
    assert kept == []  # nothing is left behind once it is finished


def test_a_file_of_lines_is_as_many_documents(llama: Path, dictionaries: Path, tmp_path: Path) -> None:
    import json

    file = tmp_path / "texts.jsonl"
    file.write_text("\n".join(json.dumps({"text": text}) for text in TEXTS))
    assert atlas(llama, dictionaries, text_file=str(file)).tables == atlas(llama, dictionaries).tables
    file.write_text('{"text": "an apple"}\nno json\n')
    with pytest.raises(BatteryError, match="line 2: this is not JSON"):
        atlas(llama, dictionaries, text_file=str(file))
    with pytest.raises(BatteryError, match="is not there"):
        atlas(llama, dictionaries, text_file=str(tmp_path / "none.txt"))
    with pytest.raises(BatteryError, match="is not a regular file"):
        atlas(llama, dictionaries, text_file=str(tmp_path))
    file.write_text('{"text": "an apple"}\n{"text": ""}\n')
    with pytest.raises(BatteryError, match="line 2: the `text` is empty"):
        atlas(llama, dictionaries, text_file=str(file))


def test_mistakes_are_told_before_any_pass(llama: Path, dictionaries: Path, tmp_path: Path) -> None:
    with pytest.raises(BatteryError, match="either texts or a text_file"):
        run_probes({"m": llama}, {"a": {"probe": "sae_atlas", "dictionaries": str(dictionaries)}})
    with pytest.raises(BatteryError, match="windows of 600 tokens exceed the context of 512"):
        atlas(llama, dictionaries, context=600)
    with pytest.raises(BatteryError, match="no dictionary at layer 7"):
        atlas(llama, dictionaries, layers=[7])
    with pytest.raises(BatteryError, match="the explainer: "):
        atlas(llama, dictionaries, explainer=str(tmp_path / "nowhere"))
    with pytest.raises(BatteryError, match="no window of two tokens"):
        atlas(llama, dictionaries, texts=["a"])


def test_tokens_limit_the_text_to_whole_windows(llama: Path, dictionaries: Path) -> None:
    outcome = atlas(llama, dictionaries, tokens=40)
    assert [r["tokens"] for r in outcome.tables["summary"].records()] == [45, 45]


def test_further_passes_are_one_a_window(llama: Path, dictionaries: Path) -> None:
    plan = battery_plan(llama, dictionaries, OutcomeCache(used=False))
    assert plan.models[0].further == len(reference("llama", 0, True, 1, dictionaries)[3])


def test_an_explainer_writes_labels_of_some_features_and_is_scored(
    llama: Path, dictionaries: Path, tmp_path: Path
) -> None:
    explainer = save_tiny(tmp_path / "explainer", "gpt2", seed=5)
    outcome = atlas(llama, dictionaries, explainer=str(explainer), explained=3, layers=[2], context=12)
    labels = [r for r in outcome.tables["labels"].records() if r["origin"] == EXPLAINER]
    assert 1 <= len(labels) <= 3
    assert all(r["score"] is None or 0 <= r["score"] <= 1 for r in labels)


def evidence(firing: int = 12, silent: int = 12) -> Evidence:
    return Evidence([], [f"x «apple» {n}" for n in range(firing)], [f"y «day» {n}" for n in range(silent)])


class Judge(Explainer):
    """An explainer whose answers are given."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def _odds(self, label: str, texts: Any) -> Any:
        return (self._answer(label, text) for text in texts)


def test_a_random_label_scores_a_half_and_a_true_one_one() -> None:
    draw = np.random.default_rng(0)
    scores = [Judge(lambda label, text: draw.normal()).score("anything", evidence()) for _ in range(300)]
    assert np.mean(scores) == pytest.approx(0.5, abs=0.03)
    assert Judge(lambda label, text: 1.0).score("always", evidence()) == 0.5
    assert Judge(lambda label, text: float(label in text)).score("apple", evidence()) == 1.0
    assert np.isnan(Judge(lambda label, text: 0.0).score("x", evidence(silent=0)))


def test_a_label_is_the_first_line_that_says_something() -> None:
    assert first_line_of('\n "**" \n "words of fruit."\nmore') == "words of fruit"
    assert first_line_of("1. words of fruit\n2. numbers") == "words of fruit"
    assert first_line_of("1.5 litres") == "1.5 litres"


def test_the_label_of_a_card_is_what_predicts_else_what_agrees_else_the_best_there_is() -> None:
    promoted, pattern, explained = Label("p", PROMOTED, 0.6), Label("e", EXAMPLES, 0.8), Label("x", EXPLAINER, 0.9)
    assert best_label([pattern, promoted, explained]) is explained
    assert best_label([pattern, promoted]) is pattern
    assert best_label([Label("e", EXAMPLES, 0.6), promoted]) is promoted
    weak = Label("e", EXAMPLES, 0.6)
    assert best_label([weak, Label("p", PROMOTED, 0.2)]) is weak
    assert best_label([Label("x", EXPLAINER, 0.22), Label("p", PROMOTED, 0.2)]).text == "p"
    assert best_label([Label("e", EXAMPLES, None), Label("p", PROMOTED, 0.2)]).text == "p"


def test_statement_and_figures_tell_the_shares(
    llama: Path, dictionaries: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = atlas(llama, dictionaries)
    section = Section("a", {"m": outcome}, {"m": ModelCard("m", "Tiny", "X", 3)})
    assert "tokens are too little text" in probe.statement(section)
    monkeypatch.setattr(statement, "FEW", 100)
    told = probe.statement(section)
    assert f"{outcome.metrics['dead_share'].value:.1%} fire on none" in told
    assert "an area under the curve of 0.75 or more" in told
    density, strengths = probe.figures(section)
    alive = (outcome.arrays["density/0"].values > 0).mean()
    assert sum(density.curves[0].y) == pytest.approx(alive)  # type: ignore[attr-defined]
    assert strengths.name == "activations"


@pytest.mark.slow
def test_the_strongest_features_of_a_real_model_fire_on_what_their_examples_share(gemma_folder: Path) -> None:
    text = "The cat sat on the mat. 12 + 30 = 42\nParis is the capital of France.\n" * 8
    found = run_probes(
        {"m": gemma_folder},
        {"a": {"probe": "sae_atlas", "dictionaries": "demo:gemma-3-270m", "layers": [9], "texts": [text, text],
               "context": 32, "cards": 8}},
    ).outcomes["a"]["m"]  # fmt: skip
    assert found.status == "ok", found.reason
    assert (found.metrics["predicted_share"].value or 0) > 0.3
    assert 5 < found.tables["summary"].records()[0]["l0"] < 200
