import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from reportgen.battery.reader import read_battery
from reportgen.errors import BatteryError
from reportgen.model.sae.sources import locate_dictionaries
from reportgen.probes.sae_steering import probe
from reportgen.results.quantities import Array, Metric, Outcome, Table
from reportgen.results.section import ModelCard, Section
from reportgen.running.execute import execute
from reportgen.running.plan import make_plan
from reportgen.text.refusals import refusal_tokens
from reportgen.text.tokens import TextTokenizer
from tests.reference.edits import logits_after
from tests.reference.plain import PARTS
from tests.reference.sae import decode, encode
from tests.runs import run_probes
from tests.tiny import LAYERS, random_model, tokenizer_json
from tests.tiny_dictionaries import AT_THRESHOLD, FEATURES, save_dictionaries, save_dictionary

FAMILIES = [("llama", 0, True), ("gemma3", 1, False), ("gpt2", 2, True)]
PROMPTS = ["I ate an apple for", "my eye of the day"]
FEATURE, LAYER = 7, 2
WORDS = {"tokens": ["a", "e"]}


@pytest.fixture(scope="module")
def dictionaries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_dictionaries(tmp_path_factory.mktemp("dictionaries"))


def asked(dictionaries: Path, **more: Any) -> dict[str, Any]:
    usual = {"layers": [LAYER], "feature": FEATURE, "prompts": PROMPTS, "continue": 3, "score": WORDS}
    change = {} if {"scale", "times_max", "clamp"} & set(more) else {"clamp": [0, 8]}
    return {"probe": "sae_steering", "dictionaries": str(dictionaries), **usual, **change, **more}


def run(source: Path, dictionaries: Path, **more: Any) -> Outcome:
    return run_probes({"m": source}, {"s": asked(dictionaries, **more)}).outcomes["s"]["m"]


def steered(source: Path, dictionaries: Path, **more: Any) -> Outcome:
    outcome = run(source, dictionaries, **more)
    assert outcome.status == "ok", outcome.reason
    return outcome


def said(outcome: Outcome) -> str:
    return probe.statement(Section("s", {"m": outcome}, {"m": ModelCard("m", "M", "X", LAYERS)}))


def ids_of(text: str, bos: bool = True) -> list[int]:
    ids: list[int] = Tokenizer.from_str(tokenizer_json(bos)).encode(text).ids
    return ids


# Against plain transformers


def last_row(family: str, seed: int, ids: list[int], first: int, change: Callable[[Any], Any]) -> Any:
    """(vocabulary) log-probabilities after a prompt, with what block LAYER - 1 gives changed from a position on."""
    network = random_model(family, seed)

    def changed(stream: torch.Tensor) -> torch.Tensor:
        stream = stream.clone()
        for position in range(first, stream.shape[1]):
            stream[0, position] = torch.as_tensor(change(stream[0, position].double().numpy()))
        return stream

    block = network.get_submodule(PARTS[family].blocks)[LAYER - 1]
    return torch.log_softmax(logits_after(network, ids, block, changed, before=False)[-1].double(), -1).numpy()


def weights(dictionaries: Path) -> dict[str, Any]:
    held = load_file(dictionaries / f"layer_{LAYER}" / "sae_weights.safetensors")
    return {name: tensor.double().numpy() for name, tensor in held.items()}


def kl(p: Any, q: Any) -> float:
    return sum(math.exp(a) * (a - b) for a, b in zip(p, q, strict=True))


@pytest.mark.parametrize(("family", "seed", "bos"), FAMILIES)
def test_scores_and_prices_against_hooks_of_ones_own(
    family: str, seed: int, bos: bool, dictionaries: Path, request: pytest.FixtureRequest
) -> None:
    held = weights(dictionaries)

    def clamped(value: float) -> Callable[[Any], Any]:
        return lambda row: row + (value - encode(row, held, kind="jumprelu")[FEATURE]) * held["W_dec"][FEATURE]

    def forgetful(row: Any) -> Any:
        activations = encode(row, held, kind="jumprelu")
        activations[FEATURE] = 8
        return decode(activations, row, held)

    outcome = steered(request.getfixturevalue(family), dictionaries)
    counted = sorted(refusal_tokens(TextTokenizer(Tokenizer.from_str(tokenizer_json(bos))), WORDS["tokens"]))
    prices, wrong = [], []
    for prompt, text in enumerate(PROMPTS):
        ids = ids_of(text, bos)
        own = last_row(family, seed, ids, 0, lambda row: row)
        for item, value in enumerate((0.0, 8.0)):
            found = last_row(family, seed, ids, int(bos), clamped(value))
            mass = sum(math.exp(found[one]) for one in counted)
            assert outcome.arrays["scores"].values[prompt, item] == pytest.approx(mass, rel=2e-3, abs=1e-5)
            prices.append(kl(own, found))
        wrong.append([kl(own, last_row(family, seed, ids, first, change))
                      for first, change in ((int(bos), forgetful), (0, clamped(8.0)))])  # fmt: skip
    means = np.array(prices).reshape(2, 2).mean(0)
    assert outcome.arrays["kl"].values == pytest.approx(means, rel=1e-3, abs=1e-6)
    without_error, with_bos = np.array(wrong).mean(0)
    assert abs(without_error - means[1]) > 5e-3 * means[1]
    assert abs(with_bos - means[1]) > 5e-3 * means[1] or not bos


# What must hold


def test_its_own_activation_changes_nothing(llama: Path, dictionaries: Path) -> None:
    outcome = steered(llama, dictionaries, scale=[0, 1])
    assert outcome.arrays["kl"].values[1] == pytest.approx(0, abs=1e-6)
    records = outcome.tables["written"].records()
    unsteered = {r["prompt"]: r["text"] for r in records if r["by"] == "unsteered"}
    for record in records:
        if record["item"] == 1:
            assert record["text"] == unsteered[record["prompt"]]
            assert record["kl"] == pytest.approx(0, abs=1e-6)


def test_to_clamp_at_zero_is_to_scale_by_zero(llama: Path, dictionaries: Path) -> None:
    clamped, scaled = steered(llama, dictionaries, clamp=[0]), steered(llama, dictionaries, scale=[0])
    assert clamped.metrics["fires"].value > 0
    assert clamped.arrays["kl"].values == pytest.approx(scaled.arrays["kl"].values, rel=1e-5)
    assert clamped.tables["texts"].rows == scaled.tables["texts"].rows


def test_times_its_maximum_is_the_clamp_at_that(llama: Path, dictionaries: Path) -> None:
    relative = steered(llama, dictionaries, times_max=[2], texts=["an apple a day"])
    largest = relative.metrics["largest_activation"].value
    assert relative.tables["strengths"].rows == [[0, 2.0, pytest.approx(2 * largest)]]
    held = weights(dictionaries)
    network = random_model("llama")
    seen: list[float] = []
    for text in [*PROMPTS, "an apple a day"]:
        with torch.no_grad():
            stream = network(torch.tensor([ids_of(text)]), output_hidden_states=True).hidden_states[LAYER][0, 1:]
        seen += [float(encode(row, held, kind="jumprelu")[FEATURE]) for row in stream.double().numpy()]
    assert largest == pytest.approx(max(seen), rel=1e-4)
    assert relative.metrics["fires"].value == sum(one > 0 for one in seen) / len(seen)
    absolute = steered(llama, dictionaries, clamp=[2 * largest])
    assert absolute.arrays["kl"].values == pytest.approx(relative.arrays["kl"].values, rel=1e-5)


def test_a_feature_that_never_fires_has_no_maximum_and_nothing_to_scale(llama: Path, dictionaries: Path) -> None:
    silent = run(llama, dictionaries, times_max=[2], feature=AT_THRESHOLD)
    assert silent.status == "skipped"
    assert "fires nowhere" in silent.reason
    scaled = steered(llama, dictionaries, scale=[5], feature=AT_THRESHOLD)
    assert scaled.metrics["fires"].value == 0
    assert "fires on no token of the prompts" in said(scaled)
    assert scaled.arrays["kl"].values.tolist() == pytest.approx([0], abs=1e-6)
    assert steered(llama, dictionaries, clamp=[5], feature=AT_THRESHOLD).arrays["kl"].values[0] > 1e-4


def planted(folder: Path, token: int) -> Path:
    """A dictionary before the final norm whose feature 3 makes one token likely."""
    network = random_model("llama")
    save_dictionary(folder, LAYERS)
    held = load_file(folder / "sae_weights.safetensors")
    with torch.no_grad():
        row = network.lm_head.weight[token] * network.model.norm.weight
        held["W_dec"][3] = row / row.norm()
    save_file(held, folder / "sae_weights.safetensors")
    return folder


def test_a_planted_feature_does_what_it_promotes_and_another_does_not(llama: Path, tmp_path: Path) -> None:
    folder = planted(tmp_path / "planted", ids_of(" apple")[-1])
    options = {"layers": "all", "feature": 3, "clamp": [0, 40, -40], "max_kl": 50}
    outcome = steered(llama, folder, score={"tokens": [" apple"]}, **options)
    assert outcome.tables["feature"].records()[0]["promoted"].startswith("␣apple")
    assert outcome.tables["strengths"].column("strength") == [-40, 0, 40]
    below, _, above = outcome.arrays["score"].values
    assert below < 0.01 < outcome.metrics["unsteered_score"].value + 0.01 < above
    assert outcome.metrics["best_strength"].value == 40
    assert abs(outcome.metrics["control_score"].value - outcome.metrics["unsteered_score"].value) < 0.2 * above
    assert "held at 40 the probability of these words goes from" in said(outcome)
    lower = steered(llama, folder, score={"tokens": [" apple"]}, aim="lower", **options)
    assert lower.metrics["best_strength"].value == -40
    promoted = steered(llama, folder, score="promoted", **options)
    assert promoted.arrays["score"].values[2] > above - 1e-6
    assert "the tokens that the feature promotes (␣apple" in said(promoted)


def test_the_control_is_one_that_fires_and_follows_the_seed(llama: Path, dictionaries: Path) -> None:
    drawn = [
        steered(llama, dictionaries, seed=seed).tables["feature"].records()[1]["feature"] for seed in (0, 0, 1, 2, 3)
    ]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 1
    assert not {FEATURE, AT_THRESHOLD} & set(drawn)


# Texts


def test_texts_stand_side_by_side_at_the_chosen_strength(llama: Path, dictionaries: Path) -> None:
    outcome = steered(llama, dictionaries, clamp=[3, 30], max_kl=100)
    (item,) = outcome.tables["chosen"].column("item")
    written = {(r["prompt"], r["item"], r["by"]): r["text"] for r in outcome.tables["written"].records()}
    for row in outcome.tables["texts"].records():
        assert row["opening"] == PROMPTS[row["prompt"]]
        assert row["unsteered"] == written[row["prompt"], None, "unsteered"]
        assert row["steered"] == written[row["prompt"], item, "feature"]
        assert row["control"] == written[row["prompt"], item, "control"]
    assert any(row["steered"] != row["unsteered"] for row in outcome.tables["texts"].records())


def test_after_harmful_prompts_nothing_is_written(llama: Path, dictionaries: Path) -> None:
    prompts = [{"text": PROMPTS[0], "group": "harmful"}, {"text": PROMPTS[1]}]
    outcome = steered(llama, dictionaries, prompts=prompts)
    assert outcome.tables["texts"].column("prompt") == [1]
    assert {r["prompt"] for r in outcome.tables["written"].records() if r["text"] is not None} == {1}
    refusing = steered(llama, dictionaries, score={"refusal": ["a"]}, prompts=prompts)
    assert refusing.tables["texts"].rows == []
    assert all(np.isfinite(refusing.arrays["score"].values))


def test_what_is_scored_in_texts_is_the_text(llama: Path, dictionaries: Path) -> None:
    outcome = steered(llama, dictionaries, score={"script": "latin"}, **{"continue": 12})
    for record in outcome.tables["written"].records():
        letters = [letter for letter in record["text"] if letter.isalpha()]
        if letters and len(record["text"].split()) < 4:
            share = sum(letter.isascii() for letter in letters) / len(letters)
            assert record["score"] == pytest.approx(share, abs=0.3)
    assert said(outcome)


# Passes, mistakes


def test_further_passes_are_those_that_take_place(
    llama: Path, dictionaries: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reportgen.model.capture import shared_passes as capture

    seen: list[Any] = []
    run_all = capture.run_all

    def counted(model: Any, passes: Any) -> Any:
        seen.extend(passes)
        return run_all(model, passes)

    monkeypatch.setattr("reportgen.model.capture.shared_passes.run_all", counted)
    options = asked(dictionaries, clamp=[0, 1, 2], texts=["an apple"])
    plan = make_plan(read_battery(json.dumps({"models": {"m": str(llama)}, "probes": {"s": options}})))
    execute(plan)
    assert plan.models[0].further == len(seen) == 2 * 2 * 3


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"feature": FEATURES}, f"feature {FEATURES} is out of range: they go from 0 to {FEATURES - 1}"),
        ({"layers": "all"}, "a feature is of one dictionary, and there are 3"),
        ({"layers": [9]}, "no dictionary at layer 9"),
        ({"clamp": [1], "scale": [2]}, "name one of clamp, times_max and scale"),
        ({"clamp": []}, "clamp"),
        ({"score": "cosine"}, "score"),
        ({"score": {"cosine": "direction"}}, "a cosine is of a direction between two sets"),
        ({"score": {"tokens": ["zebra crossing"]}}, "'zebra crossing' is not a single token"),
        ({"score": {"language": "fr"}, "prompts": [{"text": "I", "group": "harmful"}]}, "nothing is"),
        ({"score": {"tokens": ["a", "zebra crossing"]}}, "'zebra crossing' can be used in no model"),
        ({"prompts": ["apple " * 600]}, "exceeds the context of 512"),
    ],
)
def test_what_cannot_be_is_told_before_any_pass(llama: Path, dictionaries: Path, more: Any, told: str) -> None:
    options = asked(dictionaries, **more)
    with pytest.raises(BatteryError, match=told):
        make_plan(read_battery(json.dumps({"models": {"m": str(llama)}, "probes": {"s": options}})))


def test_a_prompt_of_bos_alone_has_nothing_to_change(gemma3: Path, dictionaries: Path) -> None:
    with pytest.raises(BatteryError, match="prompt 0 has no token beside BOS"):
        run(gemma3, dictionaries, prompts=["<bos>"])


# What is shown


def test_figures(llama: Path, dictionaries: Path) -> None:
    def names(outcome: Outcome) -> list[str]:
        section = Section("s", {"m": outcome}, {"m": ModelCard("m", "M", "X", LAYERS)})
        return [figure.name for figure in probe.figures(section)]

    assert names(steered(llama, dictionaries)) == ["before-after", "strengths", "price", "texts"]
    assert names(steered(llama, dictionaries, scale=[2])) == ["before-after", "texts"]


def told(own: float, steered: float, control: float, *, qualifies: bool = True, **change: Any) -> str:
    columns = ("layer_label", "site", "index", "feature", "role", "promoted", "suppressed", "link")
    tables = {
        "strengths": Table(("item", "strength", "value"), [[0, 2.0, 5.0]]),
        "chosen": Table(("item", "qualifies", "most_kl"), [[0, qualifies, 1.0]]),
        "feature": Table(columns, [["layer 2", "residual", 2, 7, "feature", "␣apple · ␣a", "", ""]]),
    }
    arrays = {
        name: Array(("item",), np.array([value]))
        for name, value in (("score", steered), ("control", control), ("kl", 0.5))
    }
    options = {"score": "promoted", **(change or {"clamp": [2.0]})}
    metrics = {"unsteered_score": Metric(own), "fires": Metric(0.1)}
    return said(Outcome("sae_steering", 1, options, ("m",), "ok", metrics=metrics, tables=tables, arrays=arrays))


def test_each_branch_of_the_statement() -> None:
    assert told(0.1, 0.5, 0.12).startswith("M: with feature 7 of layer 2 held at 2 the probability of the tokens")
    assert (
        "from 0.10 to 0.50, at a KL of 0.50 nat to the unsteered model; an equally large step along another feature "
        "leads to 0.12" in told(0.1, 0.5, 0.12)
    )
    assert "hardly a change" in told(0.1, 0.11, 0.1)
    assert "but an equally large step along another feature leads to 0.40" in told(0.1, 0.5, 0.4)
    assert told(0.1, 0.5, 0.1, qualifies=False).startswith("No clear statement about feature 7 of layer 2 in M")
    assert "leads to 0.0050." in told(0.1, 0.5, 0.005)
    # by size: own +0.10, and a step of the same length moves it by −0.08
    assert "No clear statement" in told(0.1, 0.2, 0.02)
    assert "held at 2 × its maximum" in told(0.1, 0.5, 0.12, times_max=[2.0])
    assert "at 2 × its activation" in told(0.1, 0.5, 0.12, scale=[2.0])


# A real model


@pytest.mark.real
def test_a_feature_of_gemma_makes_the_words_likely_that_it_promotes_and_another_does_not(gemma_folder: Path) -> None:
    word = " great"
    token = TextTokenizer.from_folder(gemma_folder).encode(word, special_tokens=False).ids[0]
    with safe_open(next(gemma_folder.glob("*.safetensors")), "pt") as held:
        row, gain = held.get_slice("model.embed_tokens.weight")[token], 1 + held.get_tensor("model.norm.weight")
    (files,) = locate_dictionaries("demo:gemma-3-270m", layers=[18])
    directions = load_file(files.weights)["W_dec"].float() * gain
    feature = int((directions @ row / directions.norm(dim=1)).argmax())
    options = {"probe": "sae_steering", "dictionaries": "demo:gemma-3-270m", "layers": [18], "feature": feature,
               "clamp": [0, 20000], "prompts": ["I read your essay yesterday, and it is a"], "continue": 1,
               "max_kl": 100}  # fmt: skip
    outcome = run_probes({"m": gemma_folder}, {"s": options}).outcomes["s"]["m"]
    assert outcome.status == "ok", outcome.reason
    assert outcome.arrays["score"].values[1] > 10 * outcome.metrics["unsteered_score"].value
    assert outcome.arrays["control"].values[1] < 2 * outcome.metrics["unsteered_score"].value
    assert outcome.metrics["best_kl"].value > 0.5
