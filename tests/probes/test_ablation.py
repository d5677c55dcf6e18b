import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from reportgen.battery.reader import read_battery
from reportgen.errors import BatteryError
from reportgen.numerics.resampling import ratio_interval_95
from reportgen.probes.ablation import probe
from reportgen.probes.ablation import run as ablation
from reportgen.results.quantities import Outcome
from reportgen.results.section import ModelCard, Section
from reportgen.running.plan import make_plan
from tests.reference import patching as reference
from tests.runs import run_probes
from tests.tiny import LAYERS, random_model, save_tiny, tokenizer_json

TEXTS = ["I ate an apple a day", "the apple of my eye"]
HEADS, BOS = 4, 0
SEEDS = {"llama": 3, "gemma3": 4, "gpt2": 5}
ALIKE = 2e-4


def entry(**options: Any) -> dict[str, Any]:
    return {"probe": "ablation", "prompts": TEXTS, **options}


def ablated(source: Path | str, **options: Any) -> Outcome:
    outcome = run_probes({"m": source}, {"x": entry(**options)}).outcomes["x"]["m"]
    assert outcome.status == "ok", outcome.reason
    return outcome


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    folder = tmp_path_factory.mktemp("families")
    return {family: save_tiny(folder / family, family, seed=seed) for family, seed in SEEDS.items()}


@pytest.fixture(scope="module")
def zero(folders: Mapping[str, Path]) -> Mapping[str, Outcome]:
    return {family: ablated(folder, answers=["e"]) for family, folder in folders.items()}


@pytest.fixture(scope="module")
def mean(folders: Mapping[str, Path]) -> Mapping[str, Outcome]:
    return {family: ablated(folder, method="mean") for family, folder in folders.items()}


def ids() -> list[list[int]]:
    return [Tokenizer.from_str(tokenizer_json()).encode(text).ids for text in TEXTS]


def by_hand(family: str, components: list[tuple[str, int, int | None]], **how: Any) -> float:
    network = random_model(family, SEEDS[family])
    how = {"skipped": (BOS,), **how}
    own = reference.ablated_loss(network, family, [], ids(), skipped=how["skipped"], shift=how.get("shift", 1))
    return reference.ablated_loss(network, family, components, ids(), **how) - own


def changes(outcome: Outcome) -> dict[str, float]:
    found = {name: array.values for name, array in outcome.arrays.items()}
    return {
        "head": found["heads"][1, 2], "attention": found["attention"][1], "mlp": found["mlp"][0],
        "block": found["blocks"][1],
    }  # fmt: skip


COMPONENTS: dict[str, list[tuple[str, int, int | None]]] = {
    "head": [("heads", 1, 2)],
    "attention": [("attention", 1, None)],
    "mlp": [("mlp", 0, None)],
    "block": [("attention", 1, None), ("mlp", 1, None)],
}


@pytest.mark.parametrize("family", SEEDS)
def test_zero_ablation_against_hooks_of_ones_own(family: str, zero: Mapping[str, Outcome]) -> None:
    for name, change in changes(zero[family]).items():
        assert change == pytest.approx(by_hand(family, COMPONENTS[name]), abs=ALIKE), name
    own = reference.ablated_loss(random_model(family, SEEDS[family]), family, [], ids(), skipped=(BOS,))
    assert zero[family].metrics["loss"].value == pytest.approx(own, abs=ALIKE)


def means(family: str, skipped: tuple[int, ...]) -> dict[tuple[str, int], Any]:
    network = random_model(family, SEEDS[family])
    places = {(site, block) for components in COMPONENTS.values() for site, block, _ in components}
    return {place: reference.mean_row(network, family, *place, ids(), skipped=skipped) for place in places}


@pytest.mark.parametrize("family", SEEDS)
def test_mean_ablation_against_hooks_of_ones_own(family: str, mean: Mapping[str, Outcome]) -> None:
    rows = means(family, (BOS,))
    for name, change in changes(mean[family]).items():
        assert change == pytest.approx(by_hand(family, COMPONENTS[name], means=rows), abs=ALIKE), name


@pytest.mark.parametrize("wrong", ["the loss is shifted", "BOS is ablated too", "BOS is in the mean", "another head"])
def test_a_wrong_formula_does_not_agree(wrong: str, zero: Mapping[str, Outcome], mean: Mapping[str, Outcome]) -> None:
    if wrong == "the loss is shifted":
        pair = changes(zero["llama"])["mlp"], by_hand("llama", COMPONENTS["mlp"], shift=0)
    elif wrong == "BOS is ablated too":
        pair = changes(zero["llama"])["mlp"], by_hand("llama", COMPONENTS["mlp"], skipped=())
    elif wrong == "BOS is in the mean":
        pair = changes(mean["llama"])["mlp"], by_hand("llama", COMPONENTS["mlp"], means=means("llama", ()))
    else:
        pair = changes(zero["llama"])["head"], by_hand("llama", [("heads", 1, 1)])
    assert abs(pair[0] - pair[1]) > 5 * ALIKE


def test_the_answers_probability_is_followed(zero: Mapping[str, Outcome]) -> None:
    network = random_model("llama", SEEDS["llama"])
    token = zero["llama"].tables["texts"].records()[0]["answer_id"]

    def probability() -> float:
        return float(reference.logits(network, ids()[0])[-1].softmax(-1)[token])

    own = probability()

    def silent(rows: Any) -> None:
        rows[1:] = 0.0

    with reference.changing(network, "llama", "mlp", 2, silent):
        changed = probability()
    assert zero["llama"].tables["texts"].records()[0]["probability"] == pytest.approx(own, abs=1e-5)
    assert zero["llama"].arrays["answer_mlp"].values[0, 2] == pytest.approx(changed - own, abs=1e-5)


def test_special_tokens_are_ablated_where_that_is_asked_for(llama: Path, folders: Mapping[str, Path]) -> None:
    outcome = ablated(folders["llama"], special_tokens="include", components=["mlp"])
    assert outcome.arrays["mlp"].values[0] == pytest.approx(by_hand("llama", COMPONENTS["mlp"], skipped=()), abs=ALIKE)
    assert np.isnan(outcome.arrays["heads"].values).all()
    assert outcome.metrics["largest_head"].reason == "they were not ablated"


def test_a_component_that_always_writes_the_same_is_not_missed_by_its_mean(llama: Path) -> None:
    """One position alone is its own mean."""
    outcome = ablated(llama, prompts=["a"], method="mean", special_tokens="exclude")
    for kind in ("heads", "attention", "mlp", "blocks"):
        assert outcome.arrays[kind].values == pytest.approx(0, abs=1e-5)


def test_scaling_by_one_is_no_ablation(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from reportgen.model.capture.edit import Scale

    monkeypatch.setattr(ablation, "_operation", lambda mean, head, heads: Scale(1.0))
    outcome = ablated(llama)
    for kind in ("heads", "attention", "mlp", "blocks"):
        assert outcome.arrays[kind].values == pytest.approx(0, abs=1e-5)


def test_ablating_twice_is_ablating_once(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    once = ablated(llama)
    edits = ablation._edits
    monkeypatch.setattr(ablation, "_edits", lambda *given: edits(*given) * 2)
    twice = ablated(llama)
    for kind in ("heads", "attention", "mlp", "blocks"):
        assert twice.arrays[kind].values == pytest.approx(once.arrays[kind].values, abs=1e-6)


def test_means_are_taken_over_other_texts_where_they_are_named(llama: Path) -> None:
    own = ablated(llama, method="mean", components=["mlp"])
    same = ablated(llama, method="mean", components=["mlp"], mean_over=TEXTS)
    other = ablated(llama, method="mean", components=["mlp"], mean_over=["an apple"])
    assert same.arrays["mlp"].values == pytest.approx(own.arrays["mlp"].values, abs=1e-7)
    assert abs(other.arrays["mlp"].values - own.arrays["mlp"].values).max() > 1e-2


def test_what_is_planned_is_what_is_run_however_little_is_held(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from reportgen.model.capture import shared_passes as capture

    whole = ablated(llama, blocks=[0, 2])
    options = entry(blocks=[0, 2])
    (planned,) = make_plan(read_battery(battery(llama, options))).models[0].cases
    asked: list[int] = []
    run = capture.run_all
    monkeypatch.setattr(capture, "run_all", lambda model, passes: (asked.append(len(passes)), run(model, passes))[1])
    monkeypatch.setattr(ablation, "AT_ONCE", 40)
    pieces = ablated(llama, blocks=[0, 2])
    assert sum(asked) == planned.further == 2 * 2 * (HEADS + 3)
    assert len(asked) > 2
    assert pieces.arrays["heads"].along("block") == (0, 2)
    assert pieces.arrays["heads"].values == pytest.approx(whole.arrays["heads"].values, abs=1e-5)
    assert [row[0] for row in pieces.tables["largest"].rows[:1]] == ["heads"]


def battery(source: Path, probe: dict[str, Any]) -> str:
    return json.dumps({"models": {"m": str(source)}, "probes": {"x": probe}})


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"blocks": [LAYERS]}, "block 3 is out of range: blocks go from 0 to 2"),
        ({"answers": ["zq"]}, r"'zq' is 2 tokens, where an answer is one: z \| q"),
        ({"answers": ["a", "e", "a"]}, "3 tokens for 2 prompts; give one, or one per prompt"),
        ({"mean_over": ["a"]}, "it is used only with `method: mean`"),
        ({"prompts": ["an apple " * 300]}, "exceeds the context of 512"),
        ({"prompts": []}, "at least 1|empty|one"),
    ],
)
def test_what_cannot_be_ablated_is_an_error_before_any_pass(wrong: dict[str, Any], told: str, llama: Path) -> None:
    with pytest.raises(BatteryError, match=told):
        make_plan(read_battery(battery(llama, entry(**wrong))))


def test_a_model_without_attention_is_skipped_and_says_why(tmp_path: Path, llama: Path) -> None:
    models = {"m": save_tiny(tmp_path / "mamba", "mamba"), "l": llama}
    outcomes = run_probes(models, {"x": entry()}).outcomes["x"]
    assert outcomes["l"].status == "ok"
    assert (outcomes["m"].status, outcomes["m"].reason) == (
        "skipped", "the architecture MambaForCausalLM has no attention",
    )  # fmt: skip


@pytest.fixture(scope="module")
def gemma() -> Mapping[str, Mapping[str, Outcome]]:
    alike = {"probe": "ablation", "prompts": "components/giving", "answers": [" Mary"]}
    probes = {
        "zero": {**alike, "components": ["attention"], "blocks": [1]},
        "mean": {**alike, "components": ["attention"], "blocks": [1], "method": "mean"},
        "heads": {**alike, "components": ["heads"], "blocks": [9]},
    }
    return run_probes({"gemma": "demo:gemma-3-270m"}, probes).outcomes


@pytest.mark.real
def test_gemma_misses_its_second_attention_but_not_what_differs_there(gemma: Mapping[str, Any]) -> None:
    zero, mean = (gemma[id]["gemma"].arrays["attention"].values[0] for id in ("zero", "mean"))
    assert zero > 5
    assert mean < 0.5
    said = probe.statement(Section("x", gemma["zero"], {"gemma": ModelCard("gemma", "Gemma", "X", 18)}))
    assert "the attention of block 1 (+" in said


@pytest.mark.real
def test_the_answer_needs_heads_that_do_not_write_it(gemma: Mapping[str, Any]) -> None:
    """Head 11.3 writes the name; without 9.3, which only reads the sentence, it is less than half as likely."""
    (record,) = gemma["heads"]["gemma"].tables["texts"].records()
    assert record["probability"] > 0.8
    assert gemma["heads"]["gemma"].arrays["answer_heads"].values[0, 0, 3] < -0.4


def test_of_five_texts_the_curves_have_a_band_over_them(llama: Path) -> None:
    texts = [*TEXTS, "my apple is an apple", "for breakfast I ate", "a day of the eye and an apple"]
    for prompts in (texts, texts[:4]):
        outcome = ablated(llama, prompts=prompts, components=["mlp", "heads"])
        section = Section("a", {"m": outcome}, {"m": ModelCard("m", "Tiny", "X", LAYERS)})
        drawn = {figure.name: figure for figure in probe.figures(section)}
        (curve,) = drawn["loss-blocks"].curves
        predicted = np.array(outcome.tables["texts"].column("predicted"))
        changes = outcome.arrays["text_mlp"].values
        assert (changes * predicted[:, None]).sum(0) / predicted.sum() == pytest.approx(outcome.arrays["mlp"].values)
        assert np.isnan(outcome.arrays["text_blocks"].values).all()
        assert "band" not in drawn["loss-heads"].value_label
        if prompts == texts:
            ends = ratio_interval_95(changes * predicted[:, None], predicted)
            assert np.array_equal(curve.band, ends)
            assert np.array_equal(ends[:, 0], ratio_interval_95(changes[:, 0] * predicted, predicted))
            assert drawn["loss-blocks"].y_label.startswith("change of the loss, nats per token (95 % band over 5 texts")
        else:
            assert curve.band is None


def test_each_text_alone_has_the_change_that_it_has_beside_others(llama: Path) -> None:
    together, alone = (ablated(llama, prompts=prompts, components=["heads"]) for prompts in (TEXTS, TEXTS[1:]))
    assert together.arrays["text_heads"].values[1] == pytest.approx(alone.arrays["heads"].values, abs=1e-9)
