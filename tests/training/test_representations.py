"""Rows are the model's own, in the order of the texts, whatever passes beside them; the twin's are random weights'."""

from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from reportgen.model.capture.shared_passes import run_all
from reportgen.model.needs import TwinPasses
from reportgen.model.network.anatomy import anatomy_of
from reportgen.model.network.loaded import LoadedModel
from reportgen.model.network.twin import build_random_twin
from reportgen.training.representations import TOGETHER, read_rows, standardise
from tests.reference.plain import residuals
from tests.tiny import random_model

TEXTS: Sequence[tuple[int, ...]] = [(0, 40, 41, 55), (0, 7), (0, 90, 91, 92, 93, 94), (0, 8)]
POSITIONS: Sequence[tuple[int, ...]] = [(1, 3), (1,), (), (0, 1)]


@pytest.fixture(scope="module", params=["llama", "gemma3", "gpt2"])
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def model(family: str) -> LoadedModel:
    network = random_model(family)
    return LoadedModel(network, anatomy_of(network))


def finish(reading: Generator[Any, Any, Any], model: LoadedModel) -> Any:
    """What it returns, once the model or its twin has answered all that it asks."""
    given = None
    try:
        while True:
            asked = reading.send(given)
            twin = isinstance(asked, TwinPasses)
            given = run_all(build_random_twin(model, asked.seed) if twin else model, asked.passes if twin else asked)
    except StopIteration as finished:
        return finished.value


def test_rows_stand_in_the_order_of_texts_and_positions(model: LoadedModel, family: str) -> None:
    rows = finish(read_rows(TEXTS, POSITIONS), model)
    texts = zip(TEXTS, POSITIONS, strict=True)
    expected = [residuals(model.network, family, ids).numpy()[:, list(at)] for ids, at in texts if at]
    np.testing.assert_allclose(rows, np.concatenate(expected, axis=1), rtol=0, atol=1e-5)


def test_layers_are_those_asked_for(model: LoadedModel) -> None:
    rows = finish(read_rows(TEXTS, POSITIONS, (0, 2)), model)
    np.testing.assert_array_equal(rows, finish(read_rows(TEXTS, POSITIONS), model)[[0, 2]])


def test_more_texts_than_pass_together_are_all_read(model: LoadedModel) -> None:
    texts = [(0, 2 + at, 3) for at in range(TOGETHER + 5)]
    rows = finish(read_rows(texts, [(2,)] * len(texts)), model)
    alone = finish(read_rows(texts[-1:], [(2,)]), model)
    assert rows.shape[1] == len(texts)
    np.testing.assert_allclose(rows[:, -1], alone[:, 0], rtol=0, atol=1e-5)


def test_a_twin_has_weights_of_its_own_by_its_seed_and_the_models_stay(model: LoadedModel, family: str) -> None:
    before = model.embedding_table.clone()
    state = torch.random.get_rng_state()
    one, again, other = (build_random_twin(model, seed) for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(one.embedding_table, again.embedding_table)
    assert not torch.equal(one.embedding_table, other.embedding_table)
    assert torch.equal(model.embedding_table, before)
    assert [p.shape for p in one.network.parameters()] == [p.shape for p in model.network.parameters()]
    rows = finish(read_rows(TEXTS, POSITIONS, twin_seed=0), model)
    expected = residuals(one.network, family, TEXTS[0]).numpy()[:, list(POSITIONS[0])]
    np.testing.assert_allclose(rows[:, :2], expected, rtol=0, atol=1e-5)


def test_a_narrow_twin_keeps_in_float32_what_the_models_own_code_does() -> None:
    network = random_model("llama").to(torch.bfloat16)
    twin = build_random_twin(LoadedModel(network, anatomy_of(network)), 0)
    assert twin.dtype == torch.bfloat16
    assert {p.dtype for p in twin.network.parameters()} == {torch.bfloat16}
    assert twin.network.model.rotary_emb.inv_freq.dtype == torch.float32


def test_no_position_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="no text has a position"):
        next(read_rows(TEXTS, [()] * len(TEXTS)))


def test_standardised_rows_have_mean_0_and_spread_1_over_what_was_fitted() -> None:
    rows = np.random.default_rng(0).normal(3, [1, 10, 0], (2, 50, 3)).astype(np.float32)
    fitted = np.arange(50) < 30
    found = standardise(rows, fitted)
    np.testing.assert_allclose(found[:, fitted].mean(axis=1), 0, atol=1e-6)
    np.testing.assert_allclose(found[:, fitted].std(axis=1)[:, :2], 1, atol=1e-6)
    assert (found[..., 2] == 0).all()
