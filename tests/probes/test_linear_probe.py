"""Which layer knows a label: against scikit-learn on plain transformers, its controls, its sentences, its mistakes."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from reportgen.battery.reader import read_battery
from reportgen.errors import BatteryError
from reportgen.figures.describe import Curves
from reportgen.numerics.confidence import wilson_95
from reportgen.probes.linear_probe import probe
from reportgen.results.quantities import Array, Metric, Outcome, Table
from reportgen.results.section import ModelCard, Section
from reportgen.text.prompts import PromptSets
from reportgen.text.tokens import TextTokenizer
from reportgen.text.words import find_word
from tests.reference import linear_probe as reference
from tests.runs import run_probes
from tests.tiny import random_model, tokenizer_json

NOUNS = ["apple", "eye", "day", "breakfast", "an", "of", "ate", "the apple"]
PROMPTS = [
    {"text": f"{opening} {noun}", "label": label}
    for noun in NOUNS
    for opening, label in (("I ate an", "ate"), ("the day of my", "day"))
]
SETS = PromptSets.for_battery(None)
SHIPPED = SETS.names("labels")


def ask(source: Path, prompts: Any, **options: object) -> Outcome:
    found = run_probes({"m": source}, {"p": {"probe": "linear_probe", "prompts": prompts, **options}})
    outcome = found.outcomes["p"]["m"]
    assert outcome.status == "ok", outcome.reason
    return outcome


def ids(text: str) -> list[int]:
    return list(Tokenizer.from_str(tokenizer_json(True)).encode(text).ids)


@pytest.fixture(scope="module")
def outcome(llama: Path) -> Outcome:
    return ask(llama, PROMPTS, folds=4)


def test_against_scikit_learn(outcome: Outcome) -> None:
    texts = [ids(prompt["text"]) for prompt in PROMPTS]
    rows = reference.rows_at(random_model("llama", 0), "llama", texts, [len(one) - 1 for one in texts])
    labels, groups = [prompt["label"] for prompt in PROMPTS], range(len(PROMPTS))
    right = reference.right(rows, labels, groups, 4, 0)
    np.testing.assert_array_equal(outcome.arrays["right"].values, right)
    np.testing.assert_allclose(outcome.arrays["accuracy"].values, right.mean(axis=1))
    chosen = reference.chosen_layers(rows, labels, groups, 4, 0)
    assert outcome.tables["chosen"].column("layer") == chosen
    folds = outcome.tables["items"].column("item")
    nested = [right[chosen[fold], at] for at, fold in enumerate(folds)]
    assert outcome.metrics["accuracy"].value == pytest.approx(np.mean(nested))
    assert outcome.metrics["best_layer"].value == int(right.mean(axis=1).argmax())
    assert outcome.tables["items"].column("right") == nested
    assert outcome.metrics["majority"].value == 0.5
    best = outcome.metrics["best_layer"].value
    assert right.mean(axis=1)[best] >= np.mean(nested)  # what the wrong number would be


def test_selectivity_is_of_the_same_prompts_at_the_same_layers(outcome: Outcome) -> None:
    right, control = (outcome.arrays[name].values for name in ("right", "control_right"))
    np.testing.assert_allclose(outcome.arrays["selectivity"].values, (right - control).mean(axis=1))
    np.testing.assert_allclose(outcome.arrays["accuracy_control"].values, control.mean(axis=1))
    chosen, folds = outcome.tables["chosen"].column("layer"), outcome.tables["items"].column("item")
    apart = [right[chosen[fold], at] - control[chosen[fold], at] for at, fold in enumerate(folds)]
    assert outcome.metrics["selectivity"].value == pytest.approx(np.mean(apart))
    assert set(np.unique(np.round(control * 5)).tolist()) <= set(range(6))


def test_random_coordinates_against_scikit_learn(outcome: Outcome) -> None:
    labels, groups = [prompt["label"] for prompt in PROMPTS], range(len(PROMPTS))
    width = outcome.arrays["direction"].values.shape[-1]
    expected = reference.accuracy_of_random_coordinates(groups, width, labels, groups, 4, 0, 5)
    assert outcome.metrics["accuracy_of_random_coordinates"].value == pytest.approx(expected)
    one_draw = reference.accuracy_of_random_coordinates(groups, width, labels, groups, 4, 0, 1)
    assert one_draw != pytest.approx(expected)  # one draw says little


def test_words_that_come_again_are_known_by_heart(llama: Path) -> None:
    prompts = [
        {"text": f"{opening} {word}", "word": word, "label": label}
        for opening in ("I ate an", "my", "the day of")
        for word, label in (("apple", "food"), ("breakfast", "food"), ("eye", "body"), ("me", "body"))
    ]
    outcome = ask(llama, prompts, twin=False, folds=3, layers=[1])
    words, labels = [prompt["word"] for prompt in prompts], [prompt["label"] for prompt in prompts]
    width = outcome.arrays["direction"].values.shape[-1]
    asked = (words, width, labels, range(len(prompts)), 3, 0, 5)
    found = outcome.metrics["accuracy_of_random_coordinates"].value
    assert found == pytest.approx(reference.accuracy_of_random_coordinates(*asked))
    assert found == 1  # every word was fitted in another prompt
    assert reference.accuracy_of_random_coordinates(*asked, per_row=True) < 0.8


def test_a_word_is_read_where_it_stands(llama: Path) -> None:
    prompts = [
        {"text": f"{opening} apple {noun}", "word": "apple", "label": label}
        for noun in NOUNS[1:7]
        for opening, label in (("I ate an", "ate"), (f"the {noun} of my", "day"))
    ]
    outcome = ask(llama, prompts, twin=False, layers=[0, 2])
    assert outcome.arrays["accuracy"].along("layer") == (0, 2)
    assert "accuracy_random" not in outcome.arrays
    assert len(set(outcome.tables["words"].column("tokens"))) == 1
    # the same token in each: at the embedding there is nothing to read
    assert outcome.arrays["accuracy"].values[0] <= 0.5
    assert outcome.arrays["accuracy"].values[1] == 1


def test_halves_of_a_pair_share_their_fold(llama: Path) -> None:
    prompts = [prompt | {"pair": str(at // 2)} for at, prompt in enumerate(PROMPTS)]
    outcome = ask(llama, prompts, twin=False)
    folds = outcome.tables["items"].column("item")
    assert folds[::2] == folds[1::2]
    assert outcome.tables["items"].column("unit") == [at // 2 for at in range(len(PROMPTS))]


def test_runs_agree_and_another_seed_splits_otherwise(llama: Path, outcome: Outcome) -> None:
    again, other = ask(llama, PROMPTS, folds=4), ask(llama, PROMPTS, folds=4, seed=1)
    for name, array in outcome.arrays.items():
        np.testing.assert_array_equal(array.values, again.arrays[name].values)
    assert other.tables["items"].column("item") != outcome.tables["items"].column("item")


@pytest.mark.parametrize(
    ("prompts", "told"),
    [
        ([*PROMPTS, "an eye"], "prompt 16 ('an eye') has no `label`: write what is to be read of it"),
        (PROMPTS[::2], "all have the label 'ate': a probe needs prompts of at least two labels"),
        ([*PROMPTS[::2], PROMPTS[1]], "the label 'day' has 1 prompt: at least 3 of each are needed"),
        ([*PROMPTS, PROMPTS[3]], "prompts 3 and 16 are the same"),
        ([one | {"pair": "p"} for one in PROMPTS], "has 1 pair: at least 3 of each are needed"),
        ([*PROMPTS, {"text": "an apple", "word": "pear", "label": "ate"}], "the word 'pear' is not in the sentence"),
    ],
)
def test_what_cannot_be_learned_is_a_mistake_of_the_battery(prompts: Any, told: str, llama: Path) -> None:
    with pytest.raises(BatteryError) as raised:
        ask(llama, prompts)
    assert told in str(raised.value)


def test_the_mistake_is_told_with_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "b.yaml"
    entry = json.dumps({"probe": "linear_probe", "prompts": PROMPTS[::2]})
    with pytest.raises(BatteryError) as raised:
        read_battery(f"models: {{m: demo:gemma-3-270m}}\nprobes:\n  p: {entry}\n", file)
    (mistake,) = raised.value.mistakes
    assert (mistake.file, mistake.line) == (file, 3)


def made(
    right: np.ndarray,
    control: float = 0.5,
    twin: float = 0.5,
    words: list[list[Any]] | None = None,
    coordinates: float = 0.5,
) -> Section:
    """A section whose probes are right of these (layer x prompt), at the best layer in every fold."""
    layers, count = right.shape
    accuracy, best = right.mean(axis=1), int(right.mean(axis=1).argmax())
    chance = np.full(right.shape, control)
    bounds = [wilson_95(float(row.sum()), count) for row in right]
    outcome = Outcome(
        "linear_probe", 1, {"axis": "relative", "prompts": [], "twin": True}, ("m",), "ok",
        metrics={
            "accuracy": Metric(float(accuracy[best])), "selectivity": Metric(float(accuracy[best] - control)),
            "majority": Metric(0.5), "best_layer": Metric(best),
            "accuracy_of_random_coordinates": Metric(coordinates),
        },
        arrays={
            "right": Array(("layer", "prompt"), right), "control_right": Array(("layer", "prompt"), chance),
            "accuracy": Array(("layer",), accuracy), "accuracy_control": Array(("layer",), chance.mean(axis=1)),
            "accuracy_random": Array(("layer",), np.full(layers, twin)),
        },
        tables={
            "items": Table(("prompt", "right", "item", "unit"),
                           [[at, bool(one), 0, at] for at, one in enumerate(right[best])]),
            "chosen": Table(("item", "layer"), [[0, best]]),
            "layers": Table(("lower", "upper"), [list(one) for one in bounds]),
            "words": Table(("prompt", "word", "tokens", "fit"), words or []),
        },
    )  # fmt: skip
    card = ModelCard("m", "Tiny", "", layers - 1)
    return Section("p", {"m": outcome}, {"m": card})


def rows(*shares: float, count: int = 40) -> np.ndarray:
    """(layer x prompt) of which so many are right, the first ones."""
    return np.array([[float(at < round(share * count)) for at in range(count)] for share in shares])


@pytest.mark.parametrize(
    ("shares", "told"),
    [
        ((0.5, 0.6, 0.55, 0.5, 0.5), ["No clear statement about Tiny", "at no layer"]),
        (
            (0.5, 0.9, 1.0, 0.9, 0.9),
            ["can be read from layer 1 of 4 on", "No hump is shown, nor", "at most 50%"],
        ),
        ((0.5, 0.9, 1.0, 0.9, 0.6), ["between layers 1 and 3", "There is a hump in the middle: 50% at layer 0, 93%"]),
        ((0.5, 0.9, 0.5, 0.9, 0.9), ["at 3 of 5 layers, first at layer 1", "without a gap from layer 3 on"]),
        ((0.9, 0.9, 0.9, 0.9, 0.9), ["at every layer, from the first that was tried (layer 0 of 4)"]),
        ((0.5, 0.5, 0.5, 0.5, 0.9), ["from layer 4 of 4 on", "the last layer (90%) is above the middle"]),
        ((0.9, 0.9, 0.9, 0.9, 0.6), ["There is no hump: the middle", "not clearly above layer 0 (90%)"]),
    ],
)
def test_the_sentence_follows_its_rule(shares: tuple[float, ...], told: list[str]) -> None:
    sentence = probe.statement(made(rows(*shares)))
    for part in told:
        assert part in sentence


def test_a_twin_that_does_as_well_is_told() -> None:
    assert "the words themselves may be what is read" in probe.statement(made(rows(0.5, 0.9, 0.9), twin=0.85))


def test_what_is_known_by_heart_is_told() -> None:
    alike, below = (probe.statement(made(rows(0.5, 0.9, 0.9), coordinates=share)) for share in (0.85, 0.5))
    assert "85% are right, within the interval: the label may be known by heart" in alike
    assert "With random numbers in the place of the model's 50% are right." in below


def test_a_high_layer_among_many_is_no_finding() -> None:
    section = made(rows(0.5, 0.8, 0.5))
    items = section.outcomes["m"].tables["items"]
    for row in items.rows[:20]:  # what the layers that were chosen without them give
        row[1] = False
    assert "but not where the layer is chosen without the prompts" in probe.statement(section)


def test_no_verdict_where_a_word_is_read_otherwise_in_each_sentence() -> None:
    words = [[0, "打", "打", "exact"], [1, "打", "打了", "inside"]]
    assert "No verdict on Tiny" in probe.statement(made(rows(0.5, 0.9, 0.9), words=words))


def test_every_figure_has_its_controls(llama: Path, gemma3: Path) -> None:
    found = run_probes({"m": llama, "n": gemma3}, {"p": {"probe": "linear_probe", "prompts": PROMPTS}})
    section = Section("p", found.outcomes["p"], {id: ModelCard(id, id, "", 3) for id in ("m", "n")})
    one, other, together = probe.figures(section)
    for id, figure in (("m", one), ("n", other)):
        assert isinstance(figure, Curves)
        labels = ["given labels", "random labels", "random weights", "random coordinates"]
        assert [curve.label for curve in figure.curves] == labels
        by_heart = found.outcomes["p"][id].metrics["accuracy_of_random_coordinates"].value
        assert set(figure.curves[-1].y) == {by_heart}
        assert figure.references == {"most frequent label": 0.5}
        assert figure.curves[0].band is not None
    assert isinstance(together, Curves)
    assert [curve.model for curve in together.curves] == ["m", "n"]
    assert probe.statement(section)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_labels_are_balanced_and_told_of(name: str) -> None:
    found = SETS.find(name)
    counts = Counter(prompt.label for prompt in found.prompts)
    assert len(set(counts.values())) == 1
    assert 24 <= len(found.prompts) <= 40
    assert found.title
    assert found.source
    assert found.what_to_see
    assert len({(prompt.text, prompt.word) for prompt in found.prompts}) == len(found.prompts)
    halves: dict[str, list[str | None]] = {}
    for prompt in found.prompts:
        halves.setdefault(prompt.pair or str(prompt.text), []).append(prompt.label)
    assert len({len(labels) for labels in halves.values()}) == 1


def test_a_shipped_word_or_last_token_is_the_same_whatever_the_label(smollm2_folder: Path, gemma_folder: Path) -> None:
    for folder in (smollm2_folder, gemma_folder):
        tokenizer = TextTokenizer.from_folder(folder)
        for name in SHIPPED:
            read: dict[str | None, Counter[tuple[int, ...]]] = {}
            for prompt in SETS.find(name).prompts:
                tokens = tokenizer.prompt_ids(prompt)
                found = find_word(tokenizer, prompt, prompt.word).tokens if prompt.word else (tokens[-1],)
                read.setdefault(prompt.label, Counter())[found] += 1
            first, *others = read.values()
            assert all(other == first for other in others), name


@pytest.mark.real
def test_the_sense_of_a_word_is_read_from_what_stands_before_it(smollm2_folder: Path, gemma_folder: Path) -> None:
    for folder in (smollm2_folder, gemma_folder):
        outcome = ask(folder, "labels/apple")
        accuracy = outcome.arrays["accuracy"].values
        assert accuracy[0] <= 0.5
        assert float(outcome.metrics["accuracy"].value or 0) > 0.85
        assert float(outcome.metrics["selectivity"].value or 0) > 0.3
        assert float(outcome.arrays["accuracy_random"].values.max()) < 0.85
