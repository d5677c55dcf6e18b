import math

import numpy as np
import pytest
import scipy.special
import scipy.stats
import torch

from reportgen.numerics.distributions import entropy, kl_divergence, log_softmax, rank_of, softcap

LOGITS = np.random.default_rng(0).normal(0, 3, (5, 40))


def test_entropy_of_a_coin_is_ln_2() -> None:
    assert entropy(np.log([0.5, 0.5])) == pytest.approx(math.log(2))


def test_kl_worked_by_hand() -> None:
    # 0.75 ln(0.75/0.5) + 0.25 ln(0.25/0.5) = 0.3041 - 0.1733 = 0.1308
    assert kl_divergence(np.log([0.75, 0.25]), np.log([0.5, 0.5])) == pytest.approx(0.1308, abs=1e-4)


def test_kl_of_the_other_direction_is_another_number() -> None:
    p, q = np.log([0.9, 0.1]), np.log([0.5, 0.5])
    assert kl_divergence(p, q) != pytest.approx(kl_divergence(q, p), rel=0.05)


def test_against_scipy() -> None:
    log_p = log_softmax(LOGITS)
    assert log_p == pytest.approx(scipy.special.log_softmax(LOGITS, axis=-1))
    p = np.exp(log_p)
    assert entropy(log_p) == pytest.approx(scipy.stats.entropy(p, axis=-1))
    assert kl_divergence(log_p[:1], log_p) == pytest.approx(scipy.stats.entropy(p[:1].repeat(5, 0), p, axis=-1))


def test_torch_gives_the_same_as_numpy() -> None:
    log_p = log_softmax(torch.tensor(LOGITS))
    assert entropy(log_p).numpy() == pytest.approx(entropy(log_softmax(LOGITS)))


def test_rank_counts_from_one_and_ties_take_the_better() -> None:
    scores = np.array([[0.1, 0.5, 0.5, 0.2], [4.0, 3.0, 2.0, 1.0]])
    assert rank_of(scores, np.array([2, 3])).tolist() == [1, 4]


def test_softcap_bounds_and_keeps_small_logits() -> None:
    capped = softcap(np.array([0.01, 1000.0]), 30.0)
    assert capped == pytest.approx([0.01, 30.0], abs=1e-4)
    assert softcap(LOGITS, None) is LOGITS
