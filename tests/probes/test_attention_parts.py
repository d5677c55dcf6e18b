import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from reportgen.errors import BatteryError
from reportgen.figures.describe import TokenGrid
from reportgen.probes.attention_parts import probe
from reportgen.results.quantities import Outcome
from reportgen.results.section import ModelCard, Section
from tests.reference import attention_parts as reference
from tests.runs import run_probes
from tests.tiny import random_model, save_tiny, tokenizer_json

TEXT = "I ate a zebra with the quick fox"
HEADS = [[0, 1], [2, 3]]
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {},
    "gemma2": {"scaling": 6**-0.5, "cap": 5.0},
    "gemma3": {"scaling": 6**-0.5, "norm_heads": True, "gain": 1.0, "window": 8},
}


def found(source: Path | str, **options: Any) -> Outcome:
    probes = {"parts": {"probe": "attention_parts", "prompts": [TEXT], "heads": HEADS, **options}}
    return run_probes({"m": source}, probes).outcomes["parts"]["m"]


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Outcome]:
    """A family with what the probe says of a tiny model of it, of the token at position 10."""
    return request.param, found(save_tiny(tmp_path_factory.mktemp("m") / "m", request.param), query=10)


def agree(outcome: Outcome, name: str, item: int, **wrong: Any) -> bool:
    ids = Tokenizer.from_str(tokenizer_json()).encode(TEXT).ids
    network = random_model(name)
    block, head = HEADS[item]
    how = FAMILIES[name] | wrong
    scores, weights, norms = reference.parts(network, ids, block, head, 10, **how)
    scores = [math.nan if math.isinf(score) else score for score in scores]
    arrays = outcome.arrays
    products = np.array(weights) * np.array(norms)
    pairs = (("scores", scores), ("weights", weights), ("value_norms", norms), ("norm_weighted", products))
    return all(np.allclose(arrays[f"{n}/0"].values[item], right, atol=1e-4, equal_nan=True) for n, right in pairs)


def test_the_first_head_against_the_reference(family: tuple[str, Outcome]) -> None:
    name, outcome = family
    assert outcome.status == "ok", outcome.reason
    assert agree(outcome, name, 0)


@pytest.mark.parametrize(
    "wrong", [{"rotate": False}, {"scaling": 1.0}, {"cap": 1.0}], ids=lambda wrong: next(iter(wrong))
)
def test_a_wrong_formula_does_not_agree(family: tuple[str, Outcome], wrong: dict[str, Any]) -> None:
    name, outcome = family
    assert not agree(outcome, name, 0, **wrong)


def test_keys_outside_of_a_sliding_window_have_no_score(tmp_path: Path) -> None:
    outcome = found(save_tiny(tmp_path / "m", "gemma3"), query=10, heads=[[0, 1]])
    scores, weights = outcome.arrays["scores/0"].values[0], outcome.arrays["weights/0"].values[0]
    assert np.isnan(scores).tolist() == [True] * 3 + [False] * 8
    assert (weights[:3] == 0).all()
    assert outcome.tables["keys"].records()[0]["score"] is None


def test_the_last_token_looks_where_none_is_named(llama: Path) -> None:
    outcome = found(llama)
    (query,) = outcome.tables["queries"].records()
    count = outcome.tables["prompts"].column("token_count")[0]
    assert query["query"] == count - 1
    assert outcome.arrays["weights/0"].values.shape == (2, count)
    assert outcome.arrays["weights/0"].values.sum(1) == pytest.approx([1, 1], abs=1e-5)
    products = outcome.arrays["norm_weighted/0"].values
    assert outcome.metrics["first_weight"].value == pytest.approx(outcome.arrays["weights/0"].values[:, 0].mean())
    assert outcome.metrics["first_share"].value == pytest.approx((products[:, 0] / products.sum(1)).mean())


def test_what_is_out_of_range_is_told_with_the_range_before_any_pass(llama: Path) -> None:
    with pytest.raises(BatteryError, match="blocks go from 0 to 2"):
        found(llama, heads=[[9, 0]])
    with pytest.raises(BatteryError, match=r"'0\.9' can be used in no model: heads go from 0 to 3"):
        found(llama, heads=[[0, 1], [0, 9]])
    with pytest.raises(BatteryError, match=r"there is no position 99: those of '.*' go from 0 to \d+"):
        found(llama, query=99)
    with pytest.raises(BatteryError, match="heads"):
        found(llama, heads=[])


@pytest.mark.real
def test_a_head_of_gemma_looks_at_the_first_token_and_reads_the_name() -> None:
    outcome = found("demo:gemma-3-270m", prompts="components/giving", heads=[[11, 3]])
    keys = outcome.tables["keys"].records()
    assert max(keys, key=lambda key: key["weight"])["token"] == "<bos>"
    assert max(keys, key=lambda key: key["norm_weighted"])["token"] == " John"
    assert outcome.metrics["first_share"].value < 0.6 * outcome.metrics["first_weight"].value
    section = Section("parts", {"m": outcome}, {"m": ModelCard("m", "Gemma", "X", 18)})
    assert "but takes most of what it writes, 40%, from “␣John”" in probe.statement(section)
    grids = list(probe.figures(section))
    assert [len(grid.columns) for grid in grids if isinstance(grid, TokenGrid)] == [8, 7]
