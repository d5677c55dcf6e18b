"""The probability of sets of tokens in every layer, against a softmax over the whole vocabulary."""

import pytest
import torch

from reportgen.model.measures.token_mass import token_mass
from reportgen.model.network.anatomy import anatomy_of
from reportgen.model.network.loaded import LoadedModel
from tests.tiny import random_model

SETS = [[[3, 7], [], [9]], [[1, 2, 3], [300], [0, 319]]]


@pytest.mark.parametrize("family", ["llama", "gemma2", "cohere"])
def test_the_mass_of_a_set_is_the_sum_of_its_tokens_probabilities(family: str) -> None:
    network = random_model(family)
    model = LoadedModel(network, anatomy_of(network))
    draws = torch.Generator().manual_seed(0)
    residual = torch.randn(2, model.layers, 24, generator=draws)
    normed = torch.randn(2, 24, generator=draws)
    found = token_mass(model, residual, normed, SETS, named=1, k=4)
    with torch.inference_mode():
        rows = torch.cat([model.anatomy.final_norm(residual), normed[:, None]], dim=1)
        logits = network.lm_head(rows)
        if family == "gemma2":
            logits = 3.0 * torch.tanh(logits / 3.0)
        if family == "cohere":
            logits = logits * 0.25
    p = logits.double().softmax(-1)
    expected = torch.stack([torch.stack([p[place, :, ids].sum(-1) for ids in sets]) for place, sets in enumerate(SETS)])
    torch.testing.assert_close(found.mass.double(), expected, atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(found.entropy.double(), -(p * p.log()).sum(-1), atol=1e-4, rtol=1e-4)
    values, ids = p[1].sort(-1, descending=True)
    assert torch.equal(found.token_ids, ids[:, :4])
    torch.testing.assert_close(found.probabilities.double(), values[:, :4], atol=1e-6, rtol=1e-4)


def test_a_softmax_over_the_sets_alone_would_be_another_number() -> None:
    network = random_model("llama")
    model = LoadedModel(network, anatomy_of(network))
    draws = torch.Generator().manual_seed(0)
    found = token_mass(
        model, torch.randn(1, model.layers, 24, generator=draws), torch.randn(1, 24, generator=draws), [[[3], [4]]],
        named=0, k=1,
    )  # fmt: skip
    assert float(found.mass.sum(1).max()) < 0.5  # it would be 1 in every layer
