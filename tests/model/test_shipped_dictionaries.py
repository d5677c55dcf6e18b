"""The six dictionaries of the demo model: what they say of themselves. test_sae_quality measures one of them anew."""

import json

import pytest

from reportgen.model.sae.files import DictionaryFiles
from reportgen.model.sae.sources import locate_dictionaries

LAYERS = (3, 6, 9, 12, 15, 18)
MOST_BYTES = 5_400_000


@pytest.fixture(scope="module")
def shipped() -> tuple[DictionaryFiles, ...]:
    return locate_dictionaries("demo:gemma-3-270m")


def test_there_is_one_after_every_third_block(shipped: tuple[DictionaryFiles, ...]) -> None:
    assert tuple(one.place.index for one in shipped) == LAYERS
    assert {(one.width, one.features, one.layout.activation) for one in shipped} == {(640, 2048, "jumprelu")}
    assert all(one.weights.stat().st_size <= MOST_BYTES for one in shipped)


def test_each_is_as_sparse_and_as_faithful_as_it_should_be(shipped: tuple[DictionaryFiles, ...]) -> None:
    for one in shipped:
        held_out = one.card.metadata["held_out"]
        assert 20 <= held_out["l0"] <= 80, one.name
        assert held_out["loss_recovered"] >= 0.9, one.name
        assert held_out["fvu"] + held_out["explained_variance"] == pytest.approx(1, abs=1e-4)


def test_each_says_how_it_was_made(shipped: tuple[DictionaryFiles, ...]) -> None:
    for one in shipped:
        assert one.config is not None
        made = json.loads(one.config.read_text())["metadata"]
        assert made["made_by"].startswith("reports/dictionaries/train.py")
        assert made["training_tokens"] > 100_000
        assert made["held_out_tokens"] > 10_000
