"""What an error in the residual stream costs, as dictionaries are trained with it, against the divergence itself."""

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel

from reports.dictionaries.activations import at_layer, loaded
from reports.dictionaries.sensitivity import Measure, sensitivity
from tests.tiny import save_tiny

WIDTH = 16


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedModel:
    return loaded(save_tiny(tmp_path_factory.mktemp("tiny"), "gemma3")).float()


@pytest.fixture(scope="module")
def texts(model: PreTrainedModel) -> list[np.ndarray]:
    dice = np.random.default_rng(0)
    return [dice.integers(3, model.config.vocab_size, 12).astype(np.int32) for _ in range(200)]


@pytest.fixture(scope="module")
def fisher(model: PreTrainedModel, texts: list[np.ndarray]) -> dict[int, torch.Tensor]:
    return sensitivity(model, texts, [1, len(model.model.layers)], seed=0)


def kl(model: PreTrainedModel, texts: list[np.ndarray], layer: int, error: torch.Tensor) -> float:
    """Mean over texts and positions of the KL divergence, summed over a text, when one position gets an error."""
    tokens = torch.from_numpy(np.stack(texts).astype(np.int64))
    total = 0.0
    with torch.inference_mode():
        clean = model(tokens).logits.double().log_softmax(-1)
        for at in range(1, tokens.shape[1]):

            def edit(hidden: torch.Tensor, at: int = at) -> torch.Tensor:
                moved = hidden.clone()
                moved[:, at] += error
                return moved

            with at_layer(model, layer, edit):
                logs = model(tokens).logits.double().log_softmax(-1)
            total += float((clean.exp() * (clean - logs)).sum() / len(tokens))
    return total / (tokens.shape[1] - 1)


@pytest.mark.parametrize("last", [False, True])
def test_an_error_costs_half_its_square_in_the_fisher_information(
    model: PreTrainedModel, texts: list[np.ndarray], fisher: dict[int, torch.Tensor], last: bool
) -> None:
    layer = len(model.model.layers) if last else 1
    directions = torch.linalg.eigh(fisher[layer]).eigenvectors
    for direction in (directions[:, -1], directions[:, directions.shape[1] // 2]):
        error = 0.02 * direction
        told = float(error @ fisher[layer] @ error) / 2
        assert kl(model, texts, layer, error) == pytest.approx(told, rel=0.25)


def test_coordinates_lead_there_and_back() -> None:
    dice = torch.Generator().manual_seed(0)
    mean, deviation = torch.randn(WIDTH, generator=dice), torch.rand(WIDTH, generator=dice) + 0.1
    g = torch.randn(100, WIDTH, generator=dice)
    fisher = g.T @ g / 100
    measure = Measure.of(mean, deviation, fisher, 1.0)
    torch.testing.assert_close(measure.into @ measure.out, torch.eye(WIDTH), atol=1e-5, rtol=0)
    e = torch.randn(WIDTH, generator=dice)
    other = torch.randn(WIDTH, generator=dice)
    lengths, costs = (
        [float(form(x)) for x in (e, other)]
        for form in (lambda x: (x @ measure.into).square().sum(), lambda x: x @ fisher @ x)
    )
    assert lengths[0] / costs[0] == pytest.approx(lengths[1] / costs[1], rel=1e-4)


def test_with_power_0_every_standardised_dimension_counts_alike() -> None:
    deviation = torch.rand(WIDTH, generator=torch.Generator().manual_seed(1)) + 0.1
    fisher = torch.diag(torch.arange(1.0, WIDTH + 1))
    measure = Measure.of(torch.zeros(WIDTH), deviation, fisher, 0.0)
    torch.testing.assert_close(measure.into, torch.diag(1 / deviation))
