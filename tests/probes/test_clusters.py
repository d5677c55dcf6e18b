"""Whether words of one kind lie together: against scikit-learn, what is planted, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from reportgen.errors import BatteryError
from reportgen.model.network.anatomy import anatomy_of
from reportgen.model.network.loaded import LoadedModel
from reportgen.model.network.twin import build_random_twin
from reportgen.numerics.principal import principal_points
from reportgen.probes.clusters import probe
from reportgen.results.quantities import Outcome
from reportgen.results.section import Section
from tests.probes.test_statements import outcome, section
from tests.reference import separation as reference
from tests.runs import run_probes
from tests.tiny import random_model, tokenizer_json

WORDS = ["apple", "breakfast", "day", "eye", "I", "my", "an apple", "of"]
GROUPS = "aabbccab"


def ask(source: Path, **options: object) -> Outcome:
    prompts = [{"text": text, "group": group} for text, group in zip(WORDS, GROUPS, strict=True)]
    found = run_probes({"m": source}, {"kinds": {"probe": "clusters", "prompts": prompts, "shuffles": 99, **options}})
    measured = found.outcomes["kinds"]["m"]
    assert measured.status == "ok", measured.reason
    return measured


def ids(text: str) -> list[int]:
    return Tokenizer.from_str(tokenizer_json()).encode(text).ids


def test_silhouettes_are_those_of_scikit_learn_on_plain_rows(llama: Path) -> None:
    found, network = ask(llama), random_model("llama")
    expected = reference.silhouettes(network, "llama", [ids(word) for word in WORDS], list(GROUPS))
    assert found.arrays["silhouettes"].values == pytest.approx(expected, abs=1e-4)
    assert found.metrics["silhouette"].value == pytest.approx(max(expected), abs=1e-4)
    assert found.metrics["best_layer"].value == int(np.argmax(expected))
    twin = build_random_twin(LoadedModel(network, anatomy_of(network)), 0).network
    random = reference.silhouettes(twin, "llama", [ids(word) for word in WORDS], list(GROUPS))
    assert found.arrays["silhouettes_random"].values == pytest.approx(random, abs=1e-4)


def test_maps_are_those_of_the_principal_components(llama: Path) -> None:
    found = ask(llama)
    explained = found.arrays["explained_variance"].values
    assert explained.shape == (4, 10)
    assert np.nansum(explained, axis=1) == pytest.approx(1)  # eight words have seven components
    assert np.isnan(explained[:, 7:]).all()
    rows = np.random.default_rng(0).normal(size=(8, 24))
    assert (principal_points(rows, 10)[0][:, :2] == principal_points(rows, 2)[0]).all()


def test_without_the_twin_its_curve_is_empty_and_all_else_the_same(llama: Path) -> None:
    with_twin, alone = ask(llama), ask(llama, twin=False)
    assert np.isnan(alone.arrays["silhouettes_random"].values).all()
    assert (alone.arrays["silhouettes"].values == with_twin.arrays["silhouettes"].values).all()


def test_few_words_have_no_dimension_and_the_reason_is_told(llama: Path) -> None:
    metric = ask(llama).metrics["intrinsic_dimension"]
    assert metric.value is None
    assert "fewer than 20" in metric.reason


@pytest.mark.parametrize(
    ("prompts", "told"),
    [
        ([{"text": "a", "group": "x"}, "of"], "has no `group`"),
        ([{"text": "a", "group": "x"}, {"text": "of", "group": "x"}], "all prompts are of one group"),
        ([{"text": "a", "group": "x"}, {"text": "of", "group": "y"}], "every group has one prompt"),
        ([{"text": "a", "group": "x", "word": "b"}] * 2 + [{"text": "of", "group": "y"}], "'b' is not in"),
    ],
)
def test_groups_that_cannot_be_told_apart_are_refused(llama: Path, prompts: list[Any], told: str) -> None:
    with pytest.raises(BatteryError, match=told):
        run_probes({"m": llama}, {"kinds": {"probe": "clusters", "prompts": prompts}})


def seen(silhouettes: list[float], random: list[float], chance: float) -> Section:
    """A section of a model of four blocks with these curves."""
    best = int(np.argmax(silhouettes))
    metrics = {"silhouette": silhouettes[best], "best_layer": best, "chance": chance, "intrinsic_dimension": None}
    curves = {"silhouettes": silhouettes, "silhouettes_shuffled": [0.0] * 5, "silhouettes_random": random}
    return section(outcome(metrics=metrics, arrays={name: (("layer",), values) for name, values in curves.items()}))


RISES, RANDOM, NONE = [0.01, 0.1, 0.3, 0.2, 0.2], [0.0, 0.02, 0.01, 0.0, 0.0], [np.nan] * 5


@pytest.mark.parametrize(
    ("silhouettes", "random", "chance", "told"),
    [
        (RISES, RANDOM, 0.01, "most clearly at layer 2 of 4"),
        (RISES, RANDOM, 0.01, "with random weights at most 0.020"),
        ([0.28, 0.1, 0.3, 0.2, 0.2], RANDOM, 0.01, "the layers add little"),
        (RISES, [0.0, 0.28, 0.01, 0.0, 0.0], 0.01, "of the tokens and the architecture"),
        (RISES, NONE, 0.01, "which knows the words alone, it is 0.010."),
        (RISES, RANDOM, 0.2, "No clear statement"),
    ],
)
def test_its_sentence_says_what_beats_chance_and_controls(
    silhouettes: list[float], random: list[float], chance: float, told: str
) -> None:
    assert told in probe.statement(seen(silhouettes, random, chance))
