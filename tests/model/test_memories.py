"""MLPs as key-value memories: the values are the columns of the down projection, whatever way round it is stored."""

import pytest
import torch

from reportgen.model.measures.memories import readings, scale_as_written, strengths, values_of
from reportgen.model.network.anatomy import anatomy_of
from reportgen.model.network.loaded import LoadedModel
from tests.tiny import random_model

BLOCK = 1


def tiny(family: str) -> LoadedModel:
    network = random_model(family)
    return LoadedModel(network, anatomy_of(network))


def down_projection(model: LoadedModel, family: str) -> torch.Tensor:
    """(feature x width)"""
    block = model.anatomy.blocks[BLOCK]
    weight = block.mlp.c_proj.weight if family == "gpt2" else block.mlp.down_proj.weight.T
    assert isinstance(weight, torch.Tensor)
    return weight.detach()


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma3"])
def test_values_and_their_strengths(family: str) -> None:
    model = tiny(family)
    expected = down_projection(model, family)
    assert torch.equal(values_of(model, BLOCK), expected)
    coefficients = torch.randn(3, len(expected), generator=torch.Generator().manual_seed(0))
    strong = strengths(model, BLOCK, coefficients)
    torch.testing.assert_close(strong, coefficients.abs() * expected.square().sum(1).sqrt())


def test_what_a_norm_behind_the_mlp_makes_of_a_value() -> None:
    model = tiny("gemma3")
    norm = model.anatomy.blocks[BLOCK].post_feedforward_layernorm
    assert isinstance(norm, torch.nn.Module)
    rows = scale_as_written(model, BLOCK, [5, 9])
    with torch.inference_mode():
        expected = norm(down_projection(model, "gemma3")[[5, 9]])
    torch.testing.assert_close(torch.cosine_similarity(rows, expected), torch.ones(2))


def test_readings_name_the_largest_and_the_smallest_products() -> None:
    model = tiny("llama")
    rows = torch.randn(2, 24, generator=torch.Generator().manual_seed(0))
    scores = rows @ model.anatomy.unembedding.weight.detach().T
    for reading, own in zip(readings(model, rows, 3), scores, strict=True):
        values, ids = own.sort(descending=True)
        assert (reading.top_ids, reading.bottom_ids) == (ids[:3].tolist(), ids.flip(0)[:3].tolist())
        assert reading.top_scores == pytest.approx(values[:3].tolist(), rel=1e-5)
        assert reading.bottom_scores == pytest.approx(values.flip(0)[:3].tolist(), rel=1e-5)
