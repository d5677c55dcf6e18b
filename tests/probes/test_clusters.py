"""Whether words of one kind lie together: against scikit-learn, what is planted, and what is refused."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from reportgen.errors import BatteryError
from reportgen.model.network.anatomy import anatomy_of
from reportgen.model.network.loaded import LoadedModel
from reportgen.model.network.twin import build_random_twin
from reportgen.numerics.neighbour_map import map_neighbours
from reportgen.numerics.principal import principal_points
from reportgen.probes import clusters
from reportgen.probes.clusters import choose_layers, probe
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
    assert "silhouettes_random" not in alone.arrays
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
    curves = {"silhouettes": silhouettes, "silhouettes_shuffled": [0.0] * 5}
    curves |= {"silhouettes_random": random} if random else {}
    return section(outcome(metrics=metrics, arrays={name: (("layer",), values) for name, values in curves.items()}))


def test_a_map_of_neighbours_without_its_library_is_a_mistake_with_the_remedy(
    llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clusters, "find_umap_version", lambda: "")
    with pytest.raises(BatteryError, match="umap needs umap-learn: pip install umap-learn"):
        ask(llama, umap=True)


def test_maps_of_neighbours_are_drawn_of_the_layers_that_other_maps_show(
    llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    class Umap:
        """Stands for the library: keeps what it is asked."""

        def __init__(self, **options: Any) -> None:
            asked.append(options)

        def fit_transform(self, rows: Any) -> Any:
            return rows[:, :2]

    monkeypatch.setattr(clusters, "find_umap_version", lambda: "0.5")
    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=Umap))
    found = ask(llama, umap=True, seed=7)
    layers = choose_layers(int(found.metrics["best_layer"].value or 0), 3)
    maps = [name for name in found.arrays if name.startswith("neighbour_points/")]
    assert len(maps) == len(layers) == len(asked)
    assert {one["random_state"] for one in asked} == {7}
    assert {one["n_neighbors"] for one in asked} == {7}  # of eight words
    assert found.options["umap_version"] == "0.5"
    assert "umap_version" not in ask(llama).options


@pytest.mark.slow
def test_the_library_draws_the_same_map_twice_and_keeps_groups_together() -> None:
    pytest.importorskip("umap")
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(60, 40)) + 6 * np.repeat(np.eye(40)[:3], 20, axis=0)
    one, again = (map_neighbours(rows, 0) for _ in range(2))
    assert (one == again).all()
    nearest = [np.argsort(np.linalg.norm(one - point, axis=1))[1] // 20 for point in one]
    assert np.mean(np.array(nearest) == np.arange(60) // 20) > 0.95


RISES, RANDOM, NONE = [0.01, 0.1, 0.3, 0.2, 0.2], [0.0, 0.02, 0.01, 0.0, 0.0], list[float]()


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
