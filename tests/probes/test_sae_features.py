from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from reportgen.battery.reader import load_battery
from reportgen.errors import BatteryError
from reportgen.figures.describe import Rankings, TokenGrid
from reportgen.probes.sae_features import probe, statement
from reportgen.results.quantities import Outcome
from reportgen.results.section import ModelCard, Section
from reportgen.running.execute import execute
from reportgen.running.plan import make_plan
from reportgen.text.prompts import PromptSets
from reportgen.text.tokens import TextTokenizer
from tests.reference import generation_lens as generation
from tests.reference import sae_features as reference
from tests.runs import run_probes
from tests.tiny import random_model, save_tiny, tokenizer_json
from tests.tiny_dictionaries import AT_THRESHOLD, FEATURES, save_dictionaries, save_dictionary

TEXTS = ["I ate an apple for breakfast", "the apple of my eye"]
A, B = ["an apple a day", "I ate an apple"], ["the eye of my zebra", "my eye", "of my day"]
FAMILIES = ("llama", "gemma3", "gpt2")


def features(source: Path | str, dictionaries: Path | str, **options: Any) -> Outcome:
    asked = {"probe": "sae_features", "prompts": TEXTS, "dictionaries": str(dictionaries), **options}
    return run_probes({"m": source}, {"f": asked}).outcomes["f"]["m"]


def features_options(dictionaries: Path, contrast: dict[str, object]) -> Any:
    written = {"dictionaries": str(dictionaries), "prompts": [A[0]], "contrast": contrast}
    return type(probe).options.model_validate(written, context={"prompt_sets": PromptSets.for_battery(None)})


def ids_of(text: str) -> list[int]:
    ids: list[int] = Tokenizer.from_str(tokenizer_json()).encode(text).ids
    return ids


@pytest.fixture(scope="module")
def dictionaries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_dictionaries(tmp_path_factory.mktemp("dictionaries"))


@pytest.fixture(scope="module")
def found(dictionaries: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Outcome]:
    """What the probe says of a tiny model a family."""
    folder = tmp_path_factory.mktemp("families")
    return {
        family: features(save_tiny(folder / family, family), dictionaries, contrast={"a": A, "b": B})
        for family in FAMILIES
    }


def by_hand(family: str, text: str, dictionaries: Path, layer: int, **wrong: bool) -> Any:
    folder = dictionaries / f"layer_{layer}"
    return reference.activations(random_model(family), family, ids_of(text), folder, layer, **wrong)


def strips(outcome: Outcome, prompt: int, item: int) -> dict[int, Any]:
    """Feature -> its activations from position 1 on."""
    records = [r for r in outcome.tables["strongest"].records() if (r["prompt"], r["item"]) == (prompt, item)]
    values = outcome.arrays[f"activations/{prompt}"].values[item]
    return {r["feature"]: values[r["rank"] - 1, 1:] for r in records}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_strongest_features_of_a_prompt_against_the_reference(
    family: str, found: Mapping[str, Outcome], dictionaries: Path
) -> None:
    for prompt, text in enumerate(TEXTS):
        for item, layer in enumerate((1, 2, 3)):
            expected = by_hand(family, text, dictionaries, layer)
            order = np.argsort(-expected.max(0), kind="stable")[:10]
            order = [one for one in order.tolist() if expected[:, one].max() > 0]
            seen = strips(found[family], prompt, item)
            assert list(seen) == order
            for feature, values in seen.items():
                assert values == pytest.approx(expected[:, feature], rel=1e-4, abs=1e-4)
            counts = found[family].arrays[f"l0_by_token/{prompt}"].values[item]
            assert np.isnan(counts[0])
            assert counts[1:].tolist() == (expected > 0).sum(1).tolist()


@pytest.mark.parametrize("wrong", ["bos", "at_threshold", "neighbour"])
def test_another_formula_does_not_agree(wrong: str, found: Mapping[str, Outcome], dictionaries: Path) -> None:
    expected = by_hand("llama", TEXTS[0], dictionaries, 2, **{wrong: wrong != "bos"})
    counts = found["llama"].arrays["l0_by_token/0"].values[1, 1:]
    assert counts.tolist() != (expected > 0).sum(1).tolist()


def test_a_feature_at_its_threshold_never_fires(found: Mapping[str, Outcome]) -> None:
    assert all(AT_THRESHOLD not in outcome.tables["by_token"].column("feature") for outcome in found.values())


def test_the_strongest_features_of_each_token_against_the_reference(
    found: Mapping[str, Outcome], dictionaries: Path
) -> None:
    expected = by_hand("gemma3", TEXTS[1], dictionaries, 3)
    records = [r for r in found["gemma3"].tables["by_token"].records() if (r["prompt"], r["item"]) == (1, 2)]
    for token, row in enumerate(expected):
        order = [one for one in np.argsort(-row, kind="stable")[:5].tolist() if row[one] > 0]
        seen = [r for r in records if r["position"] == token + 1]
        assert [r["feature"] for r in seen] == order
        assert [r["rank"] for r in seen] == list(range(1, len(order) + 1))


@pytest.mark.parametrize("family", FAMILIES)
def test_promoted_tokens_against_the_reference(
    family: str, found: Mapping[str, Outcome], dictionaries: Path, llama: Path
) -> None:
    network, show = random_model(family), TextTokenizer.from_folder(llama).show
    rows = [r for r in found[family].tables["features"].records() if r["item"] == 1][:4]
    wrong = 0
    for row in rows:
        direction = reference.weights(dictionaries / "layer_2")["W_dec"][row["feature"]]
        order = np.argsort(-reference.promoted(network, family, direction), kind="stable").tolist()
        assert row["promoted"] == " · ".join(map(show, order[:10]))
        assert row["suppressed"] == " · ".join(map(show, order[::-1][:10]))
        without = np.argsort(-reference.promoted(network, family, direction, gain=False), kind="stable").tolist()
        wrong += row["promoted"] != " · ".join(map(show, without[:10]))
    assert wrong  # without the norm's gain other tokens come first


def test_the_contrast_against_the_reference(found: Mapping[str, Outcome], dictionaries: Path) -> None:
    for item, layer in enumerate((1, 2, 3)):
        a, b = ([by_hand("llama", text, dictionaries, layer) for text in side] for side in (A, B))
        expected = reference.effects(a, b)
        order = np.argsort(-np.abs(np.nan_to_num(expected)), kind="stable")[:10].tolist()
        rows = [r for r in found["llama"].tables["contrast"].records() if r["item"] == item]
        assert [r["feature"] for r in rows] == order[: len(rows)]
        assert [r["effect"] for r in rows] == pytest.approx([expected[one] for one in order[: len(rows)]], rel=1e-3)
        for row in rows:
            mean = np.mean([prompt[:, row["feature"]].mean() for prompt in a])
            assert row["mean_a"] == pytest.approx(mean, rel=1e-4, abs=1e-6)
            assert row["difference"] == pytest.approx(row["mean_a"] - row["mean_b"])
    together = np.concatenate([np.stack([p.mean(0) for p in side]) for side in (a, b)])
    best = together[:, rows[0]["feature"]]
    assert rows[0]["effect"] != pytest.approx(
        (best[:2].mean() - best[2:].mean()) / best.std(ddof=1), rel=1e-2
    )  # the spread of both sets as one


@pytest.mark.parametrize("family", FAMILIES)
def test_features_over_what_is_written_against_the_reference(family: str, dictionaries: Path, tmp_path: Path) -> None:
    options = {"over": "generated", "continue": 5, "contrast": {"a": A, "b": B}, "layers": [2]}
    outcome = features(save_tiny(tmp_path / family, family), dictionaries, **options)
    network, folder = random_model(family), dictionaries / "layer_2"

    def by_text(text: str) -> Any:
        ids = ids_of(text)
        written = [token for token in generation.greedy(network, ids, 5) if token != 1]  # the end token is not read
        whole = reference.activations(network, family, [*ids, *written], folder, 2)
        return written, whole[len(ids) - 1 :], len(ids)

    for prompt, text in enumerate(TEXTS):
        written, expected, start = by_text(text)
        shown = [r["token"] for r in outcome.tables["tokens"].records() if r["prompt"] == prompt][start:]
        assert outcome.tables["written"].rows[prompt][0] == prompt
        assert len(shown) == len(written)
        counts = outcome.arrays[f"l0_by_token/{prompt}"].values[0]
        assert np.isnan(counts[:start]).all()
        assert counts[start:].tolist() == (expected > 0).sum(1).tolist()
        records = [r for r in outcome.tables["strongest"].records() if r["prompt"] == prompt]
        for record in records:
            assert record["largest"] == pytest.approx(expected[:, record["feature"]].max(), rel=1e-3)
            assert record["position"] == start + int(expected[:, record["feature"]].argmax())
    a, b = ([by_text(text)[1] for text in side] for side in (A, B))
    effects = reference.effects(a, b)
    for row in outcome.tables["contrast"].records():
        assert row["effect"] == pytest.approx(effects[row["feature"]], rel=1e-2)
    figures = {figure.name: figure for figure in probe.figures(section(outcome))}
    assert "features on what is written after “" in figures["strips-0-0"].title
    assert len(figures["strips-0-0"].columns) == 5
    assert "what is written after" in figures["contrast"].title


def test_masked_words_do_not_count_in_the_comparison(llama: Path, dictionaries: Path) -> None:
    asked = {"a": A, "b": [*B, "My  my"], "mask": ["my Apple"]}
    outcome = features(llama, dictionaries, layers=[2], contrast=asked)
    plain_one = features(llama, dictionaries, layers=[2], contrast={"a": A, "b": [*B, "My  my"]})
    assert outcome.tables["strongest"].rows == plain_one.tables["strongest"].rows
    tokenizer = Tokenizer.from_str(tokenizer_json(True))
    pieces = {tokenizer.decode([i]).strip().lower() for form in ("my Apple", " my Apple")
              for i in tokenizer.encode(form, add_special_tokens=False).ids} - {""}  # fmt: skip

    def counted(text: str) -> Any:
        kept = [tokenizer.decode([i]).strip().lower() not in pieces for i in ids_of(text)[1:]]
        return by_hand("llama", text, dictionaries, 2)[kept]

    sides = [[one for text in side if len(one := counted(text))] for side in (asked["a"], asked["b"])]
    effects = reference.effects(*sides)
    for row in outcome.tables["contrast"].records():
        assert row["effect"] == pytest.approx(effects[row["feature"]], rel=1e-3)
    wrong = reference.effects(*([by_hand("llama", text, dictionaries, 2) for text in side] for side in (A, B)))
    assert outcome.tables["contrast"].column("effect") != pytest.approx(
        [wrong[row["feature"]] for row in outcome.tables["contrast"].records()], rel=1e-2
    )
    told = probe.statement(section(outcome))
    assert "The words of “my Apple” do not count in the comparison." in told


def test_where_every_word_of_a_set_is_masked_nothing_is_compared(llama: Path, dictionaries: Path) -> None:
    outcome = features(llama, dictionaries, layers=[2], contrast={"a": A, "b": ["my my"], "mask": ["my", "  "]})
    assert outcome.tables["contrast"].rows == []
    assert outcome.tables["skipped"].rows == [["my my", "nothing but masked words"]]
    assert "1 of its prompts has no token that counts." in probe.statement(section(outcome))


def test_two_single_prompts_are_compared_over_their_tokens(llama: Path, dictionaries: Path) -> None:
    outcome = features(llama, dictionaries, layers=[2], contrast={"a": A[:1], "b": B[:1]})
    a, b = (by_hand("llama", side[0], dictionaries, 2) for side in (A, B))
    row = outcome.tables["contrast"].records()[0]
    one, other = a[:, row["feature"]], b[:, row["feature"]]
    squares = ((one - one.mean()) ** 2).sum() + ((other - other.mean()) ** 2).sum()
    spread = (squares / (len(one) + len(other) - 2)) ** 0.5
    assert row["effect"] == pytest.approx((one.mean() - other.mean()) / spread, rel=1e-3)
    assert outcome.tables["controls"].rows == [[0, 0, None]]
    assert "cannot be told" in probe.statement(section(outcome))


def test_density_and_examples_count_equal_texts_once(llama: Path, dictionaries: Path) -> None:
    once = features(llama, dictionaries, layers=[1], prompts=TEXTS)
    twice = features(llama, dictionaries, layers=[1], prompts=TEXTS, examples=[*TEXTS, *TEXTS])
    assert once.tables["features"].rows == twice.tables["features"].rows
    assert once.tables["examples"].rows == twice.tables["examples"].rows
    expected = [by_hand("llama", text, dictionaries, 1) for text in TEXTS]
    together = np.concatenate(expected)
    assert once.metrics["example_tokens"].value == len(together)
    for row in once.tables["features"].records():
        assert row["density"] == pytest.approx((together[:, row["feature"]] > 0).mean())
        examples = [r for r in once.tables["examples"].records() if r["feature"] == row["feature"]]
        best = np.sort(together[:, row["feature"]])[::-1][: len(examples)]
        assert [r["activation"] for r in examples] == pytest.approx(best, rel=1e-4)
        assert row["strongest"] == pytest.approx(best[0], rel=1e-4)
    first = once.tables["examples"].records()[0]
    assert "<bos>" not in first["before"]
    assert f"{first['before']}{first['token']}{first['after']}" in TEXTS


def test_a_dictionary_is_chosen_by_its_layer(llama: Path, dictionaries: Path) -> None:
    outcome = features(llama, dictionaries, layers=[3])
    (row,) = outcome.tables["dictionaries"].records()
    assert (row["item"], row["layer_label"], row["index"], row["features"]) == (0, "layer 3", 3, FEATURES)
    assert outcome.options["dictionaries_sha256"] != features(llama, dictionaries).options["dictionaries_sha256"]


def battery(folder: Path, model: Path, dictionaries: Path, labels: str, **options: Any) -> Path:
    import json

    asked = {"probe": "sae_features", "prompts": TEXTS, "dictionaries": str(dictionaries), "labels": labels, **options}
    (folder / "b.yaml").write_text(json.dumps({"models": {"m": str(model)}, "probes": {"f": asked}}))
    return folder / "b.yaml"


def test_labels_lie_beside_the_battery_and_keep_their_origin(
    llama: Path, dictionaries: Path, found: Mapping[str, Outcome], tmp_path: Path
) -> None:
    strongest = found["llama"].tables["strongest"].records()[0]["feature"]
    (tmp_path / "labels.csv").write_text(f"layer,feature,label,score\n1,{strongest},fruit & <b>veg</b>,0.75\n")
    outcome = execute(make_plan(load_battery(battery(tmp_path, llama, dictionaries, "labels.csv")))).outcomes["f"]["m"]
    row = next(r for r in outcome.tables["features"].records() if (r["item"], r["feature"]) == (0, strongest))
    assert (row["label"], row["label_origin"], row["label_score"]) == ("fruit & <b>veg</b>", "by hand", 0.75)
    assert outcome.options["labels"] == "labels.csv"
    (strip,) = [f for f in probe.figures(section(outcome)) if f.name == "strips-0-0"]
    assert isinstance(strip, TokenGrid)
    assert strip.rows[0] == f"#{strongest} fruit & <b>veg</b>"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (
            "layer,feature,label\n1,48,x\n",
            "labels.csv:2: there is no feature 48: those of layer 1, residual end with 47",
        ),
        ("layer,feature,label\n9,4,x\n", "labels.csv:2: no dictionary '9' is used"),
        ("layer,number,label\n1,4,x\n", "labels.csv:1: unknown column 'number'"),
    ],
)
def test_labels_of_what_is_not_there_are_refused_by_line(
    llama: Path, dictionaries: Path, tmp_path: Path, written: str, said: str
) -> None:
    (tmp_path / "labels.csv").write_text(written)
    with pytest.raises(BatteryError) as refused:
        make_plan(load_battery(battery(tmp_path, llama, dictionaries, "labels.csv")))
    assert said in str(refused.value)


def test_what_does_not_fit_the_model_is_refused_before_any_pass(
    llama: Path, dictionaries: Path, tmp_path: Path
) -> None:
    wide = save_dictionary(tmp_path / "wide", 2, width=25)
    with pytest.raises(BatteryError, match=r"width 25.*have 24"):
        features(llama, wide)
    with pytest.raises(BatteryError, match="no dictionary at layer 0"):
        features(llama, dictionaries, layers=[0])
    with pytest.raises(BatteryError, match="neither a folder that exists nor a hub id"):
        features(llama, "no/such/folder/../here")


def section(outcome: Outcome) -> Section:
    return Section("f", {"m": outcome}, {"m": ModelCard("m", "Tiny", "Llama", 3)})


def test_figures_show_strips_counts_and_differences(found: Mapping[str, Outcome]) -> None:
    figures = list(probe.figures(section(found["llama"])))
    grids = [figure for figure in figures if isinstance(figure, TokenGrid)]
    assert len({figure.name for figure in figures}) == len(figures) == 2 * (3 + 1) + 1
    for grid in grids:
        assert float(np.nanmax(grid.values)) == pytest.approx(1.0)
        assert len(grid.columns) == grid.values.shape[1]
        assert not np.isnan(grid.values).any()  # BOS is not drawn
    (bars,) = [figure for figure in figures if isinstance(figure, Rankings)]
    assert bars.rankings[0].title == "layer 1: stronger in a"


def test_a_statement_holds_effects_against_prompts_dealt_at_random(
    found: Mapping[str, Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "cannot be told" in probe.statement(section(found["llama"]))
    monkeypatch.setattr(statement, "FEWEST_DEALS", 9)
    said = probe.statement(section(found["llama"]))
    assert "Tiny" in said
    control = found["llama"].tables["controls"].records()
    assert [r["deals"] for r in control] == [9, 9, 9]  # 5 choose 2, less the sets themselves
    largest = {r["item"]: abs(r["effect"]) for r in found["llama"].tables["contrast"].records() if r["rank"] == 1}
    beyond = any(largest[r["item"]] > r["effect"] for r in control)
    assert ("The clearest difference" in said) == beyond
    assert ("No clear difference" in said) != beyond


def test_sets_are_called_what_the_battery_calls_them(
    found: Mapping[str, Outcome], dictionaries: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statement, "FEWEST_DEALS", 9)
    named = features_options(dictionaries, {"a": "features/step_by_step", "b": "features/plain"})
    assert named.contrast.names == ("step by step", "plain")
    assert features_options(dictionaries, {"a": A, "b": "features/plain"}).contrast.names == ("a", "plain")
    assert features_options(dictionaries, {"a": A, "b": B, "names": ["old", "new"]}).contrast.names == ("old", "new")
    outcome = found["llama"]
    contrast = {**outcome.options["contrast"], "names": ["old", "new"]}
    renamed = replace(outcome, options={**outcome.options, "contrast": contrast})
    assert "old" in probe.statement(section(renamed)) or "new" in probe.statement(section(renamed))
    titles = [one.title for figure in probe.figures(section(renamed)) for one in getattr(figure, "rankings", [])]
    assert {title.rpartition(" in ")[2] for title in titles} == {"old", "new"}


def fire_on_all_of(outcome: Outcome, words: tuple[str, ...]) -> list[int]:
    """Features that fire on each of these tokens of the second prompt, and on nothing else of it."""
    tokens = [r["token"].strip() for r in outcome.tables["tokens"].records() if r["prompt"] == 1][1:]
    named = np.array([token in words for token in tokens])
    assert named.sum() == 4
    return [one for one, on in strips(outcome, 1, 0).items() if (on[named] > 0).all() and not (on[~named] > 0).any()]


@pytest.mark.real
def test_in_gemma_features_follow_the_language_and_the_animals(gemma_folder: Path) -> None:
    prompts = [
        "今天天氣真好，我們去公園散步吧。",
        "The dog chased the cat, and the horse watched the two sheep.",
        "Three plus four is seven, and seven plus two is nine.",
    ]
    outcome = features(gemma_folder, "demo:gemma-3-270m", layers=[3], top=100, prompts=prompts)
    assert 20 <= float(outcome.metrics["l0"].value or 0) <= 100
    chinese, animals, sums = (strips(outcome, prompt, 0) for prompt in range(3))
    assert any((on > 0).mean() >= 0.6 and one not in animals and one not in sums for one, on in chinese.items())
    assert fire_on_all_of(outcome, ("dog", "cat", "horse", "sheep"))
    assert not fire_on_all_of(outcome, ("and", "two", ",", "chased"))  # words with nothing in common share none
