import math

import numpy as np
import pytest
import torch

from reportgen.numerics.sparse import (
    DENSE,
    Quality,
    ReconstructionQuality,
    delta_loss,
    loss_recovered,
    mean_max_cosine,
)
from tests.reference import sae as reference

RNG = np.random.default_rng(4)
X = (RNG.normal(size=(120, 6)) * np.array([1, 2, 3, 1, 1, 9]) + np.array([0, 0, 5, -90, 0, 0])).astype(np.float32)
Y = (X + RNG.normal(size=X.shape)).astype(np.float32)
ACTIVE = np.maximum(RNG.normal(size=(120, 10)) - np.arange(10) * 0.3, 0).astype(np.float32)
ACTIVE[:, 3] = 0.0


def quality(x, y, active, size=50) -> Quality:
    measure = ReconstructionQuality()
    state = measure.init()
    for start in range(0, len(x), size):
        part = slice(start, start + size)
        state = measure.update(state, x[part], y[part], active[part])
    return measure.finish(state)


@pytest.mark.parametrize("array", [np.asarray, torch.from_numpy])
@pytest.mark.parametrize("size", [1, 7, 120])
def test_all_numbers_equal_those_of_all_tokens_at_once_however_they_are_parted(array, size):
    found = quality(array(X), array(Y), array(ACTIVE), size)
    x, y = X.astype(np.float64), Y.astype(np.float64)
    cosines = (x * y).sum(1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)
    assert found.tokens == 120
    assert found.fvu == pytest.approx(reference.fvu(x, y), rel=1e-9)
    assert found.explained_variance == pytest.approx(1 - reference.fvu(x, y), rel=1e-9)
    assert found.l0 == pytest.approx((ACTIVE > 0).sum(1).mean())
    assert found.cosine == pytest.approx(cosines.mean(), rel=1e-9)
    density = (ACTIVE > 0).mean(0)
    assert found.density.tolist() == pytest.approx(density.tolist())
    assert found.dead == pytest.approx((density == 0).mean())
    assert found.dense == pytest.approx((density > DENSE).mean())
    assert 0 < found.dead < found.dense < 1


def test_who_predicts_the_mean_leaves_all_of_the_variance_unexplained():
    mean = np.broadcast_to(X.astype(np.float64).mean(0), X.shape)
    found = quality(X.astype(np.float64), mean, ACTIVE)
    assert found.fvu == pytest.approx(1.0, abs=1e-12)
    assert found.explained_variance == pytest.approx(0.0, abs=1e-12)


def test_published_formulas_that_are_wrong_give_other_numbers():
    heavy = X.copy()
    heavy[::40] *= 30  # as massive activations are
    mean = np.broadcast_to(heavy.mean(0), heavy.shape)
    assert quality(heavy, mean, ACTIVE).explained_variance == pytest.approx(0.0, abs=1e-5)
    assert abs(reference.averaged_explained_variance(heavy, mean, 30)) > 0.5
    assert reference.error_a_token_over_variance_of_all(heavy, mean) > 0.86


def test_perfect_reconstruction_and_none():
    assert quality(X, X, ACTIVE).fvu == 0.0
    assert quality(X, X, ACTIVE).cosine == pytest.approx(1.0)
    nothing = quality(X, np.zeros_like(X), ACTIVE)
    assert nothing.cosine == 0.0
    assert nothing.fvu > 1.0  # zeros are worse than the mean, where the mean is not zero


def test_parts_merge_in_any_order_and_an_empty_part_changes_nothing():
    measure = ReconstructionQuality()
    one = measure.update(measure.init(), X[:31], Y[:31], ACTIVE[:31])
    other = measure.update(measure.init(), X[31:], Y[31:], ACTIVE[31:])
    none = measure.update(measure.init(), X[:0], Y[:0], ACTIVE[:0])
    forth = measure.finish(measure.merge(measure.merge(one, none), other))
    back = measure.finish(measure.merge(other, one))
    assert forth.fvu == pytest.approx(back.fvu, rel=1e-12)
    assert forth.fvu == pytest.approx(quality(X, Y, ACTIVE).fvu, rel=1e-12)


def test_a_great_common_shift_costs_no_digits():
    far = X.astype(np.float64) + 1e7
    assert quality(far, far + (Y - X), ACTIVE, 7).fvu == pytest.approx(quality(X, Y, ACTIVE).fvu, rel=1e-5)


def test_undefined_numbers_are_nan():
    measure = ReconstructionQuality()
    assert math.isnan(measure.finish(measure.init()).fvu)
    assert math.isnan(quality(X[:1], Y[:1], ACTIVE[:1]).fvu)  # one token has no variance
    assert math.isnan(loss_recovered(2.0, 2.0, 2.0))


def test_recovered_loss():
    assert loss_recovered(clean=2.0, zero=10.0, spliced=2.0) == 1.0
    assert loss_recovered(clean=2.0, zero=10.0, spliced=10.0) == 0.0
    assert loss_recovered(clean=2.0, zero=10.0, spliced=2.8) == pytest.approx(0.9)
    assert loss_recovered(clean=2.0, zero=10.0, spliced=12.0) < 0
    assert delta_loss(clean=2.0, spliced=2.8) == pytest.approx(0.8)


def test_mean_max_cosine_finds_planted_directions_in_any_order_and_length_but_not_their_opposites():
    planted = RNG.normal(size=(5, 40))
    found = np.concatenate([RNG.normal(size=(7, 40)), planted[::-1] * 3])
    assert mean_max_cosine(found, planted) == pytest.approx(1.0)
    assert mean_max_cosine(torch.from_numpy(found), torch.from_numpy(planted)) == pytest.approx(1.0)
    assert mean_max_cosine(-planted, planted) < 0.5
    assert mean_max_cosine(found[:7], planted) < 0.6
