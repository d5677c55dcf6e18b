"""The training of the demo model's dictionaries, on sparse models whose directions are known."""

from dataclasses import replace

import pytest
import torch

from reportgen.numerics.sparse import mean_max_cosine
from reports.dictionaries.text import PIECE, drawn
from reports.dictionaries.training import Dictionary, Recipe, strongest, trained

WIDTH, PLANTED, ACTIVE = 64, 96, 3
RECIPE = Recipe(
    features=PLANTED, k=ACTIVE, steps=400, batch=512, rate=3e-3, silent=50, revived=24, precision=torch.float32
)
ROWS = 16_000


@pytest.fixture(scope="module")
def directions() -> torch.Tensor:
    """Random unit directions, from another seed than the dictionary's own first rows."""
    rows = torch.randn(PLANTED, WIDTH, generator=torch.Generator().manual_seed(77))
    return rows / rows.norm(dim=1, keepdim=True)


@pytest.fixture(scope="module")
def planted(directions: torch.Tensor) -> torch.Tensor:
    """Rows that are sums of ACTIVE of the directions on average."""
    dice = torch.Generator().manual_seed(78)
    codes = torch.rand(ROWS, PLANTED, generator=dice) + 0.5
    codes *= torch.rand(ROWS, PLANTED, generator=dice) < ACTIVE / PLANTED
    rows = codes @ directions
    return rows - rows.mean(0)


@pytest.fixture(scope="module")
def dictionary(planted: torch.Tensor) -> Dictionary:
    return trained(planted, RECIPE)


def recovered(dictionary: Dictionary, directions: torch.Tensor) -> float:
    """Mean over the planted directions of the cosine with the nearest decoder row."""
    return mean_max_cosine(found=dictionary.w_dec.numpy(), planted=directions.numpy())


def test_a_planted_sparse_model_is_recovered(dictionary: Dictionary, directions: torch.Tensor) -> None:
    assert recovered(dictionary, directions) > 0.9


def test_no_direction_is_found_without_training(planted: torch.Tensor, directions: torch.Tensor) -> None:
    assert recovered(trained(planted, replace(RECIPE, steps=1, rate=0.0)), directions) < 0.6


def test_no_direction_is_found_in_gaussian_rows_of_the_same_covariance(
    planted: torch.Tensor, directions: torch.Tensor
) -> None:
    noise = torch.randn(ROWS, WIDTH, generator=torch.Generator().manual_seed(79))
    alike = noise @ torch.linalg.cholesky(torch.cov(planted.T)).T
    assert recovered(trained(alike, replace(RECIPE, steps=150)), directions) < 0.7


def test_too_many_active_features_do_not_recover_it(planted: torch.Tensor, directions: torch.Tensor) -> None:
    assert recovered(trained(planted, replace(RECIPE, k=32, steps=150)), directions) < 0.8


def test_one_threshold_leaves_as_many_features_active_as_the_batches_did(
    dictionary: Dictionary, planted: torch.Tensor
) -> None:
    active = (dictionary.encode(planted) > 0).sum(1).float().mean()
    assert float(active) == pytest.approx(ACTIVE, rel=0.1)


def test_folding_the_coordinates_in_changes_no_reconstruction(dictionary: Dictionary, planted: torch.Tensor) -> None:
    dice = torch.Generator().manual_seed(80)
    mean, out = torch.randn(WIDTH, generator=dice), torch.randn(WIDTH, WIDTH, generator=dice) / 8 + torch.eye(WIDTH)
    folded = dictionary.of_inputs(mean, torch.linalg.inv(out), out)
    some = planted[:200]
    before, after = dictionary.encode(some), folded.encode(some @ out + mean)
    torch.testing.assert_close(folded.w_dec.norm(dim=1), torch.ones(PLANTED))
    # Rounding may carry a row over the threshold; hardly any.
    assert float(((before > 0) != (after > 0)).float().mean()) < 1e-4
    torch.testing.assert_close(
        folded.decode(before * (dictionary.w_dec @ out).norm(dim=1)),
        dictionary.decode(before) @ out + mean,
        rtol=1e-3,
        atol=1e-4,
    )


def test_the_strongest_are_taken_over_the_whole_batch() -> None:
    z = torch.tensor([[5.0, 4.0, 3.0], [1.0, -1.0, 0.5]])
    assert float(strongest(z, 1)) == 4.0
    assert float(strongest(z, 3)) == 0.0


def test_the_same_seed_trains_the_same_dictionary(planted: torch.Tensor) -> None:
    short = replace(RECIPE, steps=5)
    first, second = trained(planted, short), trained(planted, short)
    assert torch.equal(first.w_enc, second.w_enc)
    assert torch.equal(first.threshold, second.threshold)


def test_tokens_are_drawn_with_the_probabilities_of_the_softmax() -> None:
    dice = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(PIECE + 100, generator=dice)
    draws = drawn(logits.expand(40_000, -1), dice)
    found = torch.bincount(draws, minlength=len(logits)) / len(draws)
    # The distance that 40,000 draws leave by chance is 0.027 here.
    assert float((found - logits.softmax(0)).abs().sum()) / 2 < 0.04
