"""A metric that says of which numbers it is the mean over prompts is that mean."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from reportgen.probes.registry import find, names
from reportgen.results.means import read_prompt_values
from reportgen.results.quantities import Array, Mean, Outcome, Table, mean_of_array, mean_of_rows, quantities_of
from tests.all_probes import CHANGING, FIRST, READING, TEXTS, of_two, sparse
from tests.runs import run_probes
from tests.tiny import save_tiny
from tests.tiny_dictionaries import save_dictionaries

MORE: dict[str, Any] = {
    "cuts": {"probe": "next_token", "prompts": TEXTS, "top_p": 0.5, "temperatures": [0.5]},
    "attempts": {"probe": "generation_lens", "prompts": TEXTS[:2], "attempts": 2, "temperature": 1.0, "continue": 3},
}


def declared() -> dict[tuple[str, str], Mean]:
    """(probe, metric) -> what it is the mean of."""
    return {
        (name, metric): quantity.of
        for name in names()
        for metric, quantity in quantities_of(find(name).findings).items()
        if quantity.of is not None
    }


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    folder = tmp_path_factory.mktemp("means")
    models = {name: save_tiny(folder / name, "gemma2", seed=seed) for name, seed in (("m", 0), ("n", 1))}
    dictionaries = save_dictionaries(folder / "dictionaries", layers=[2])
    alone = FIRST | READING | CHANGING | MORE | sparse(dictionaries)
    of_one = {id: probe | {"models": ["m"]} for id, probe in alone.items()}
    found = run_probes(models, of_one | of_two("m", "n", dictionaries)).outcomes
    return [outcome for by_subject in found.values() for outcome in by_subject.values()]


def list_measured(outcomes: list[Outcome]) -> Iterator[tuple[str, str, float, list[float], Mean]]:
    for outcome in outcomes:
        for (probe, name), mean in declared().items():
            if outcome.probe == probe and name in outcome.metrics and outcome.metrics[name].value is not None:
                values = [one.value for one in read_prompt_values(outcome, mean).values()]
                yield probe, name, float(outcome.metrics[name].value or 0), values, mean


def test_a_metric_is_the_mean_of_what_it_says(outcomes: list[Outcome]) -> None:
    seen = set()
    for probe, name, value, values, mean in list_measured(outcomes):
        assert values, (probe, name)
        if mean.pooled:
            assert min(values) - 1e-6 <= value <= max(values) + 1e-6, (probe, name)
        else:
            assert value == pytest.approx(float(np.mean(values)), rel=1e-5, abs=1e-6), (probe, name)
        seen.add((probe, name))
    unseen = {pair for pair in declared() if pair not in seen}
    assert unseen <= {("patchscope", "named_share"), ("patchscope_across", "named_share")}  # no word is expected there


def test_a_mean_names_numbers_that_its_probe_has() -> None:
    for (probe, name), mean in declared().items():
        quantity = quantities_of(find(probe).findings)[mean.name.split("/")[0]]
        if mean.column:
            assert {mean.column, mean.each, *mean.where, mean.called or mean.each} <= set(quantity.columns), (
                probe,
                name,
            )
        else:
            assert set(mean.at) <= set(quantity.dims), (probe, name)


def outcome(**found: Any) -> Outcome:
    prompts = [{"text": "an apple", "id": "apple"}, {"text": "a tree"}]
    return Outcome("x", 1, {"prompts": prompts}, ("m",), "ok", **found)


def read(one: Outcome, mean: Mean) -> dict[Any, tuple[str, float]]:
    return {key: (value.name, value.value) for key, value in read_prompt_values(one, mean).items()}


def test_rows_that_do_not_count_and_empty_cells_are_left_out() -> None:
    rows = Table(("prompt", "rank", "p"), [[0, 1, 0.5], [0, 2, 0.9], [1, 1, None], [2, 1, 0.3]])
    found = read(outcome(tables={"top": rows}), mean_of_rows("top", "p", rank=1))
    assert found == {0: ("apple", 0.5), 2: ("2", 0.3)}


def test_several_answers_of_a_prompt_are_one_number_of_it() -> None:
    rows = Table(("prompt", "named"), [[0, True], [0, False], [1, True]])
    assert read(outcome(tables={"answers": rows}), mean_of_rows("answers", "named")) == {
        0: ("apple", 0.5),
        1: ("a tree", 1.0),
    }


def test_of_an_array_a_place_is_taken_along_some_dims_and_the_mean_over_the_others() -> None:
    values = np.array([[[1.0, 9.0], [3.0, 9.0]], [[5.0, 9.0], [np.nan, 9.0]]])
    one = outcome(arrays={"a": Array(("prompt", "block", "layer"), values)})
    assert read(one, mean_of_array("a", layer=0)) == {0: ("apple", 2.0), 1: ("a tree", 5.0)}
    assert read(one, mean_of_array("a", layer=-1)) == {0: ("apple", 9.0), 1: ("a tree", 9.0)}
    assert read(one, mean_of_array("a", layer=0, above=2.0)) == {0: ("apple", 0.5), 1: ("a tree", 1.0)}
    assert read(one, mean_of_array("a", layer=7)) == {}
    assert read(one, mean_of_array("gone")) == {}


def test_of_one_array_a_prompt_its_number_is_that_of_the_prompt() -> None:
    arrays = {f"w/{at}": Array(("item", "key"), np.array([[0.2 + at, 8.0], [0.4 + at, 8.0]])) for at in (0, 1)}
    found = read(outcome(arrays=arrays), mean_of_array("w", key=0))
    assert {key: name for key, (name, _) in found.items()} == {0: "apple", 1: "a tree"}
    assert [value for _, value in found.values()] == pytest.approx([0.3, 1.3])
