"""Where a text stands along a direction: against plain transformers, what is planted, its sentence, what is refused."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import Tokenizer

from reportgen.errors import BatteryError
from reportgen.figures.describe import Curves, TokenGrid
from reportgen.numerics.projection import Scale, middle_along, spread_within, to_unit
from reportgen.numerics.steering import difference_of_means, random_direction
from reportgen.probes.concept_directions import RANDOM, probe
from reportgen.results.quantities import Array, Metric, Outcome, Table
from reportgen.results.section import ModelCard, Section
from reportgen.training.folds import deal_folds
from reportgen.training.held_out import separate_held_out
from tests.reference import concept_directions as reference
from tests.runs import run_probes
from tests.tiny import LAYERS, random_model, save_tiny, tokenizer_json

NOUNS = ["apple", "eye", "day", "breakfast", "of the day"]
TOWARDS = [f"I ate an {noun}" for noun in NOUNS]
AWAY = [f"the day of my {noun}" for noun in NOUNS]
TEXTS = ["an apple for breakfast", "I ate the eye of an apple"]
SETS = {"towards": TOWARDS, "away": AWAY, "prompts": TEXTS}


def followed(source: Path, **options: Any) -> Outcome:
    outcome = run_probes({"m": source}, {"c": {"probe": "concept_directions", **SETS, **options}}).outcomes["c"]["m"]
    assert outcome.status == "ok", outcome.reason
    return outcome


def ids(text: str) -> list[int]:
    return list(Tokenizer.from_str(tokenizer_json(True)).encode(text).ids)


@pytest.fixture(scope="module")
def outcome(llama: Path) -> Outcome:
    return followed(llama)


def test_against_plain_transformers(outcome: Outcome) -> None:
    network, own = random_model("llama", 0), np.array([True] * 5 + [False] * 5)
    found, rows = [], {}
    for layer in range(LAYERS + 1):
        rows[layer] = np.stack([reference.mean_row(network, "llama", ids(text), layer) for text in TOWARDS + AWAY])
        positions, auc = reference.held_out(rows[layer], own, 5, 0)
        assert outcome.arrays["layer_auc"].values[layer] == pytest.approx(auc)
        spread = reference.pooled(positions, own)
        found.append((auc, (positions[own].mean() - positions[~own].mean()) / spread))
    np.testing.assert_allclose(outcome.arrays["layer_separation"].values, [apart for _, apart in found], rtol=1e-4)
    layer = max(range(LAYERS + 1), key=lambda at: (round(found[at][0], 9), found[at][1]))
    assert outcome.metrics["layer"].value == layer
    means = []
    for at, text in enumerate(TEXTS):
        expected = reference.values(network, "llama", ids(text), layer, rows[layer], own, 5, 0)
        values = outcome.arrays[f"values/{at}"].values
        assert np.isnan(values[0])  # BOS
        np.testing.assert_allclose(values[1:], expected[1:], rtol=1e-3, atol=1e-3)
        wrong = reference.values(network, "llama", ids(text), layer, rows[layer], own, 5, 0, seen=True)
        assert np.abs(values[1:] - wrong[1:]).max() > 0.1  # rows that it was found with stand apart by themselves
        means += expected[1:].tolist()
    assert outcome.metrics["projection"].value == pytest.approx(np.mean(means), rel=1e-3, abs=1e-3)
    whole = np.stack([reference.mean_row(network, "llama", ids(text), layer, whole=True) for text in TOWARDS + AWAY])
    assert reference.held_out(whole, own, 5, 0)[0] != pytest.approx(reference.held_out(rows[layer], own, 5, 0)[0])


def test_random_directions_have_a_middle_and_a_spread_of_their_own(outcome: Outcome) -> None:
    network, own = random_model("llama", 0), np.array([True] * 5 + [False] * 5)
    layer = int(outcome.metrics["layer"].value or 0)
    rows = np.stack([reference.mean_row(network, "llama", ids(text), layer) for text in TOWARDS + AWAY])
    stream = reference.residuals(network, "llama", ids(TEXTS[0]))[layer].double().numpy()
    drawn = []
    for draw in range(RANDOM):
        unit = random_direction(rows.shape[1], layer, 0, draw)
        drawn.append((stream @ unit - reference.middle(rows, own, unit)) / reference.pooled(rows @ unit, own))
    expected = np.percentile(np.abs(drawn), 95, axis=0)
    np.testing.assert_allclose(outcome.arrays["random_values/0"].values[1:], expected[1:], rtol=1e-3)
    for row in outcome.tables["tokens"].records():
        assert (row["value"] is None) == (row["position"] == 0)


def test_what_the_model_writes_is_followed_too(llama: Path, outcome: Outcome) -> None:
    longer = followed(llama, **{"continue": 3})
    for at in range(len(TEXTS)):
        before, after = (one.arrays[f"values/{at}"].values for one in (outcome, longer))
        assert len(after) == len(before) + 3
        np.testing.assert_allclose(after[1 : len(before)], before[1:], rtol=1e-4, atol=1e-4)
        written = [row["written"] for row in longer.tables["tokens"].records() if row["prompt"] == at]
        assert written == [False] * len(before) + [True] * 3


def test_a_labelled_set_stands_for_both_sides(llama: Path, outcome: Outcome) -> None:
    labels = [{"text": text, "label": "ate"} for text in TOWARDS] + [{"text": text, "label": "day"} for text in AWAY]
    asked = {"probe": "concept_directions", "labels": labels, "label": "ate", "prompts": TEXTS}
    other = run_probes({"m": llama}, {"c": asked}).outcomes["c"]["m"]
    np.testing.assert_array_equal(other.arrays["layer_auc"].values, outcome.arrays["layer_auc"].values)
    assert dict.fromkeys(other.tables["sides"].column("side")) == {"ate": None, "day": None}


@pytest.mark.parametrize("options", [{"read": "last"}, {"direction": "logistic"}, {"layers": [2]}])
def test_other_ways_to_find_it(llama: Path, outcome: Outcome, options: dict[str, Any]) -> None:
    found = followed(llama, **options)
    assert found.metrics["auc"].value is not None
    if "layers" in options:
        assert found.metrics["layer"].value == 2
        assert found.arrays["layer_auc"].values[0] == outcome.arrays["layer_auc"].values[2]
    else:
        assert not np.allclose(found.arrays["direction"].values, outcome.arrays["direction"].values)


@pytest.fixture(scope="module")
def vector(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """A file of a row for each layer, and what it holds."""
    file = tmp_path_factory.mktemp("directions") / "my_truth.safetensors"
    held = np.random.default_rng(1).normal(size=(LAYERS + 1, 24)).astype(np.float32)
    save_file({"direction": held}, file)
    return file, held


def along(source: Path, file: Path, **options: Any) -> Outcome:
    asked = {"probe": "concept_directions", "prompts": TEXTS, "direction": str(file), "layers": [2], **options}
    outcome = run_probes({"m": source}, {"c": asked}).outcomes["c"]["m"]
    assert outcome.status == "ok", outcome.reason
    return outcome


def test_a_direction_from_a_file_against_plain_transformers(llama: Path, vector: tuple[Path, np.ndarray]) -> None:
    file, held = vector
    outcome, network, texts = along(llama, file), random_model("llama", 0), [ids(text) for text in TEXTS]
    expected = reference.along_file(network, "llama", texts, 2, held[2].astype(np.float64))
    units = [random_direction(24, 2, 0, draw) for draw in range(RANDOM)]
    drawn = [reference.along_file(network, "llama", texts, 2, unit) for unit in units]
    values, others, bounds = [], [], []
    for at in range(len(TEXTS)):
        np.testing.assert_allclose(outcome.arrays[f"values/{at}"].values[1:], expected[at][1:], rtol=1e-3, atol=1e-3)
        bound = np.percentile(np.abs([one[at][1:] for one in drawn]), 95, axis=0)
        np.testing.assert_allclose(outcome.arrays[f"random_values/{at}"].values[1:], bound, rtol=1e-3, atol=1e-3)
        values += np.abs(expected[at][1:]).tolist()
        others.append(np.abs([one[at][1:] for one in drawn]))
        bounds += bound.tolist()
    assert outcome.metrics["standing_out"].value == pytest.approx(np.mean(np.array(values) > bounds))
    shares = (np.concatenate(others, axis=1) > bounds).mean(axis=1)
    assert outcome.metrics["random_standing_out"].value == pytest.approx(np.percentile(shares, 95))
    wrong = reference.along_file(network, "llama", texts, 2, held[2].astype(np.float64), raw=True)
    assert np.abs(wrong[0][1:] - expected[0][1:]).max() > 0.1
    np.testing.assert_allclose(outcome.arrays["direction"].values, held[2:3])
    for name in ("auc", "shuffled_auc", "separation", "projection"):
        assert outcome.metrics[name].value is None
        assert outcome.metrics[name].reason
    assert "layer_auc" not in outcome.arrays


def test_one_vector_is_that_of_the_layer_that_is_named(llama: Path, vector: tuple[Path, np.ndarray]) -> None:
    file, held = vector
    one = file.with_name("one.safetensors")
    save_file({"a": held[2], "b": held[1]}, one)
    found, other = along(llama, one, tensor="a"), along(llama, one, tensor="b")
    np.testing.assert_array_equal(found.arrays["values/0"].values, along(llama, file).arrays["values/0"].values)
    assert not np.allclose(found.arrays["values/0"].values[1:], other.arrays["values/0"].values[1:])
    assert found.options["direction_sha256"] == hashlib.sha256(one.read_bytes()).hexdigest()


def test_the_scale_is_of_what_is_given_and_not_of_what_is_written(llama: Path, vector: tuple[Path, np.ndarray]) -> None:
    before, longer = along(llama, vector[0]), along(llama, vector[0], **{"continue": 3})
    known = len(before.arrays["values/0"].values)
    after = longer.arrays["values/0"].values
    assert len(after) == known + 3
    np.testing.assert_allclose(after[1:known], before.arrays["values/0"].values[1:], rtol=1e-4, atol=1e-4)


def test_a_model_that_a_file_does_not_fit_is_skipped(
    llama: Path, tmp_path: Path, vector: tuple[Path, np.ndarray]
) -> None:
    other = save_tiny(tmp_path / "low", "llama", layers=2)
    asked = {"probe": "concept_directions", "prompts": TEXTS, "direction": str(vector[0]), "layers": [2]}
    found = run_probes({"m": llama, "n": other}, {"c": asked}).outcomes["c"]
    assert (found["m"].status, found["n"].status) == ("ok", "skipped")
    assert "has rows for 4 layers, and it has 3" in found["n"].reason
    narrow = tmp_path / "narrow.safetensors"
    save_file({"a": vector[1][2, :20]}, narrow)
    with pytest.raises(BatteryError, match="a direction of 20 dimensions, and its stream has 24"):
        run_probes({"m": llama}, {"c": {**asked, "direction": str(narrow)}})


def test_the_sentence_of_a_file_says_that_nothing_was_separated(llama: Path, vector: tuple[Path, np.ndarray]) -> None:
    section = Section("c", {"m": along(llama, vector[0])}, {"m": ModelCard("m", "Tiny", "", LAYERS)})
    metrics = section.outcomes["m"].metrics
    strips = list(probe.figures(section))
    assert [figure.name for figure in strips] == ["strip-0", "strip-1"]
    assert "“my truth” against “not my truth”" in strips[0].title
    for share, told in ((0.5, "50% of the"), (0.1, "No clear statement about Tiny: along the direction of")):
        metrics["standing_out"], metrics["random_standing_out"] = Metric(share), Metric(0.2)  # type: ignore[index]
        assert told in probe.statement(section)
        assert "there is no held-out AUC" in probe.statement(section)


def test_a_planted_direction_is_found_and_a_text_along_it_stands_out() -> None:
    generator = np.random.default_rng(0)
    concept = to_unit(generator.normal(size=40))
    own = np.arange(30) < 15
    rows = generator.normal(size=(30, 40)) + np.where(own, 3.0, -3.0)[:, None] * concept
    folds = deal_folds(["a" if one else "b" for one in own], range(30), 5, 0)
    found = separate_held_out(rows, own, folds, difference_of_means)
    assert found.auc == 1
    assert found.apart > 4
    unit = to_unit(difference_of_means(rows[own], rows[~own]))
    assert unit @ concept > 0.9
    scale = Scale(unit, middle_along(unit, rows[own], rows[~own]), found.spread)
    np.testing.assert_allclose(scale.place(np.stack([rows[own].mean(0), rows[~own].mean(0)])).sum(), 0, atol=1e-9)
    nothing = separate_held_out(generator.normal(size=(30, 40)), own, folds, difference_of_means)
    assert 0.2 < nothing.auc < 0.8
    seen = generator.normal(size=(30, 40))
    unit = to_unit(difference_of_means(seen[own], seen[~own]))
    along = seen @ unit  # the wrong formula: rows that the direction was found with always lie apart
    assert (along[own].mean() - along[~own].mean()) / spread_within(along[own], along[~own]) > 1.5


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"away": None}, "give either `towards` and `away`, or `labels` and `label`"),
        ({"label": "x"}, "`labels` and `label` belong together"),
        ({"labels": TOWARDS, "label": "x"}, "give either"),
        ({"towards": TOWARDS[:2]}, "towards: 2 prompts (pairs count once), and 3 are needed"),
        ({"prompts": TOWARDS[:1]}, "'I ate an apple' is in one of the sets, and so is not held out"),
        ({"towards": [*TOWARDS, TOWARDS[0]]}, "'I ate an apple' is there twice"),
        ({"prompts": [{"text": "eye", "group": "harmful"}], "continue": 2}, "nothing is written after it"),
        ({"towards": [*TOWARDS, {"text": "an eye", "word": "pear"}], "read": "last"}, "the word 'pear' is not in"),
        ({"layers": [9]}, "layer 9 is out of range"),
    ],
)
def test_what_is_no_direction_is_a_mistake_of_the_battery(options: dict[str, Any], told: str, llama: Path) -> None:
    asked = {key: value for key, value in {**SETS, **options}.items() if value is not None}
    with pytest.raises(BatteryError) as raised:
        run_probes({"m": llama}, {"c": {"probe": "concept_directions", **asked}})
    assert told in str(raised.value)


def test_a_label_that_no_prompt_has_is_told(llama: Path) -> None:
    asked = {"probe": "concept_directions", "labels": "labels/sentiment", "label": "plesant", "prompts": TEXTS}
    with pytest.raises(BatteryError, match="towards: 0 prompts"):
        run_probes({"m": llama}, {"c": asked})


def made(auc: float, values: list[float], random: float, mean_random: float) -> Section:
    tokens = [[0, 0, "The", None, None, False]]
    tokens += [[0, at, f"t{at}", value, random, False] for at, value in enumerate(values, 1)]
    outcome = Outcome(
        "concept_directions", 1, {"prompts": [{"text": "The"}]}, ("m",), "ok",
        metrics={"auc": Metric(auc), "shuffled_auc": Metric(0.6), "layer": Metric(2),
                 "projection": Metric(float(np.mean(values))), "random_projection": Metric(mean_random)},
        arrays={"layer_auc": Array(("layer",), np.array([0.5, auc, auc])),
                "layer_shuffled": Array(("layer",), np.array([0.5, 0.5, 0.5]))},
        tables={
            "tokens": Table(("prompt", "position", "token", "value", "random", "written"), tokens),
            "texts": Table(("prompt", "asked"), [[0, "The"]]),
            "sides": Table(("item", "side"), [[0, "warm"], [1, "cold"]]),
        },
    )  # fmt: skip
    return Section("c", {"m": outcome}, {"m": ModelCard("m", "Tiny", "", 2)})


@pytest.mark.parametrize(
    ("section", "told"),
    [
        (made(0.65, [1.0], 2, 2), "no direction separates “warm” from “cold”; the best of 3 layers reaches"),
        (made(0.9, [1.0, 2.0], 3, 2), "no further out than random directions put them (95 % within 2)"),
        (made(0.9, [1.0, 2.0], 3, 2), "No single token is further out"),
        (made(0.9, [3.0, 5.0], 4, 2), "at +4 spreads, towards “warm” and further out"),
        (made(0.9, [-3.0, -5.0], 4, 2), "1 token (50%) is further out than 95 % of random directions put it: “t2” (−5"),
    ],
)  # fmt: skip
def test_the_sentence_follows_its_rule(section: Section, told: str) -> None:
    assert told in probe.statement(section)


def test_figures_show_controls_and_a_diverging_strip() -> None:
    curves, strip = probe.figures(made(0.9, [-3.0, 6.0], 4, 2))
    assert isinstance(curves, Curves)
    assert [curve.label for curve in curves.curves] == ["both sets", "shuffled sets"]
    assert curves.references == {"chance": 0.5}
    assert isinstance(strip, TokenGrid)
    assert strip.scale == "diverging"
    np.testing.assert_allclose(strip.values[0], [0, -0.5, 1])
    assert strip.outlined[0].tolist() == [False, False, True]
    assert [*strip.texts[1]] == ["", "−3", "6"]


@pytest.mark.real
def test_a_pleasant_text_turns_unpleasant_where_the_storm_comes(gemma_folder: Path, smollm2_folder: Path) -> None:
    text = "We went to the beach and had a wonderful time, until a storm came and destroyed our tent."
    asked = {"probe": "concept_directions", "labels": "labels/sentiment", "label": "pleasant", "prompts": [text]}
    models = {"gemma": gemma_folder, "llama": smollm2_folder}
    for outcome in run_probes(models, {"c": asked}).outcomes["c"].values():
        value = {str(row["token"]).strip(): row["value"] for row in outcome.tables["tokens"].records()}
        assert outcome.metrics["auc"].value > 0.9  # type: ignore[operator]
        assert outcome.metrics["shuffled_auc"].value < 0.75  # type: ignore[operator]
        assert value["wonderful"] > 3
        assert value["storm"] < 0
