"""Steering: what is added and taken out, and what the next token's distribution pays."""

import math

import pytest
import torch

from reportgen.model.capture.shared_passes import run_all
from reportgen.model.measures.steered import ablate_direction, add_direction, compare_with_unsteered
from reportgen.model.needs import Edit, Need, Pass, Site
from reportgen.model.network.anatomy import anatomy_of
from reportgen.model.network.loaded import LoadedModel
from tests.tiny import LAYERS, random_model

IDS = (0, 40, 41, 55)


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    network = random_model("llama")
    return LoadedModel(network, anatomy_of(network))


def direction() -> torch.Tensor:
    return torch.randn(24, generator=torch.Generator().manual_seed(3))


def stream(model: LoadedModel, edits: tuple[Edit, ...]) -> dict[int, torch.Tensor]:
    """Layer -> (position x width)."""
    need = Need(Site.RESIDUAL)
    (captured,) = run_all(model, [Pass(IDS, (need,), edits=edits)])
    return {layer: value for (layer, _), value in captured.values[need].items()}


def test_adding_changes_what_enters_one_block_by_so_much(model: LoadedModel) -> None:
    plain, steered = stream(model, ()), stream(model, add_direction(1, direction(), 2.5, "all"))
    assert torch.equal(steered[0], plain[0])
    torch.testing.assert_close(steered[1] - plain[1], 2.5 * direction().expand(4, -1), atol=1e-5, rtol=1e-4)
    assert not torch.allclose(steered[2] - plain[2], steered[1] - plain[1], atol=1e-2)


def test_ablating_leaves_nothing_of_the_direction_anywhere(model: LoadedModel) -> None:
    unit = direction() / direction().norm()
    plain, ablated = stream(model, ()), stream(model, ablate_direction(LAYERS, direction(), "all"))
    assert max(float((plain[layer] @ unit).abs().max()) for layer in plain) > 0.1
    assert max(float((ablated[layer] @ unit).abs().max()) for layer in ablated) < 1e-4


def test_a_direction_of_length_0_ablates_nothing(model: LoadedModel) -> None:
    plain, ablated = stream(model, ()), stream(model, ablate_direction(LAYERS, torch.zeros(24), "all"))
    assert all(torch.equal(plain[layer], ablated[layer]) for layer in plain)


def test_kl_is_from_the_unsteered_distribution_and_odds_are_of_the_counted_mass(model: LoadedModel) -> None:
    draws = torch.Generator().manual_seed(0)
    own, *rows = (size * torch.randn(1, 24, generator=draws) for size in (1, 2, 2, 0.5))
    found = compare_with_unsteered(model, own, rows, [3, 17, 200])
    with torch.inference_mode():
        head = model.anatomy.unembedding.weight.double()
        p, *steered = ((row.double() @ head.T).softmax(-1)[0] for row in (own, *rows))
    for q, kl, mass, odds in zip(steered, found.kl, found.mass, found.odds, strict=True):
        counted = float(q[[3, 17, 200]].sum())
        assert kl == pytest.approx(float((p * (p / q).log()).sum()), rel=1e-4)
        assert kl != pytest.approx(float((q * (q / p).log()).sum()), rel=1e-2)  # the other way round
        assert mass == pytest.approx(counted, rel=1e-4)
        assert odds == pytest.approx(math.log(counted / (1 - counted)), rel=1e-4)
