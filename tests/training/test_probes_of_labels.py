"""Trained on labels: the same as scikit-learn's own, and no better than chance where there is nothing to learn."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from reportgen.numerics.resampling import mean_interval_95
from reportgen.training.folds import count_units, deal_folds
from reportgen.training.logistic import choose_layers, find_directions, guess_held_out, logistic_direction
from reportgen.training.random_labels import deal_labels, deal_testable_labels, name_types
from reportgen.training.units import number_units, sum_by_unit
from tests.reference import linear_probe as reference

COUNT, WIDTH = 36, 60


def made(seed: int = 0, signal: float = 1.0, labels: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """(layer x row x width) rows whose layers know more and more, and (row) labels."""
    generator = np.random.default_rng(seed)
    numbers = np.arange(COUNT) % labels
    rows = generator.normal(0, 3, (4, COUNT, WIDTH))
    for layer in range(4):
        rows[layer, np.arange(COUNT), numbers] += 3 * layer * signal
    rows[0, :, 7] = 1.5  # a dimension that never varies
    return rows.astype(np.float32), numbers


@pytest.mark.parametrize("labels", [2, 3])
def test_guesses_are_scikit_learns(labels: int) -> None:
    rows, numbers = made(labels=labels)
    folds = deal_folds([str(one) for one in numbers], range(COUNT), 5, 3)
    right = guess_held_out(rows, numbers, folds, 1.0) == numbers
    expected = reference.right(rows, [str(one) for one in numbers], range(COUNT), 5, 3)
    np.testing.assert_array_equal(right, expected)
    assert not expected.all()
    assert expected.mean(axis=1)[3] > expected.mean(axis=1)[0]
    assert (right != reference.right(rows, [str(one) for one in numbers], range(COUNT), 5, 3, seen=True)).any()


def test_layers_are_chosen_without_the_fold_that_they_are_tested_on() -> None:
    rows, numbers = made(seed=5, signal=0.4)
    labels = [str(one) for one in numbers]
    folds = deal_folds(labels, range(COUNT), 4, 0)
    expected = reference.chosen_layers(rows, labels, range(COUNT), 4, 0)
    assert choose_layers(rows, numbers, folds, 1.0).tolist() == expected


def test_halves_of_a_pair_are_held_out_together() -> None:
    labels = ["a", "b"] * 12
    units = [at // 2 for at in range(24)]
    folds = deal_folds(labels, units, 5, 0)
    assert (folds[::2] == folds[1::2]).all()
    for fold, (_, held) in enumerate(reference.splits(labels, units, 5, 0)):
        assert set(np.flatnonzero(folds == fold)) == set(held)


def test_there_are_no_more_folds_than_the_rarest_label_has_units() -> None:
    labels = ["a"] * 20 + ["b"] * 3
    folds = deal_folds(labels, range(23), 5, 0)
    assert Counter(folds[20:].tolist()) == {0: 1, 1: 1, 2: 1}
    assert count_units(["a", "a", "b"], ["p", "p", "p"]) == {"a": 1, "b": 1}


def test_a_direction_is_that_in_which_log_odds_grow() -> None:
    rows, numbers = made(seed=2)
    found = find_directions(rows, numbers, 2, 1.0)
    assert found.shape == (2, 4, WIDTH)
    np.testing.assert_array_equal(found[0], -found[1])
    for layer in range(4):
        expected = reference.direction(rows[layer], numbers, 1)
        cosine = expected @ found[1, layer] / np.linalg.norm(expected) / np.linalg.norm(found[1, layer])
        assert cosine == pytest.approx(1, abs=1e-5)
        apart = rows[layer, numbers == 1].mean(axis=0) - rows[layer, numbers == 0].mean(axis=0)
        unit = expected / np.linalg.norm(expected)
        assert np.linalg.norm(found[1, layer]) == pytest.approx(apart @ unit, rel=1e-4)
    unscaled = reference.fitted_probe(rows[3], numbers)[-1].coef_[0]  # the wrong formula: weights of scaled rows
    assert unscaled @ found[1, 3] / np.linalg.norm(unscaled) / np.linalg.norm(found[1, 3]) < 0.999


def test_what_steering_calls_logistic_is_the_direction_of_a_probe_of_two_labels() -> None:
    rows, numbers = made(seed=2)
    expected = find_directions(rows, numbers, 2, 1.0)[1, 3]
    found = logistic_direction(rows[3, numbers == 1], rows[3, numbers == 0])
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())


def test_three_labels_have_three_directions() -> None:
    rows, numbers = made(labels=3)
    found = find_directions(rows, numbers, 3, 1.0)
    for label in range(3):
        assert int(found[label, 3].argmax()) == label


def test_rows_that_are_all_alike_tell_nothing() -> None:
    rows, numbers = np.ones((1, COUNT, WIDTH), np.float32), made()[1]
    folds = deal_folds([str(one) for one in numbers], range(COUNT), 4, 0)
    assert (guess_held_out(rows, numbers, folds, 1.0) == numbers).mean() <= 0.5
    assert not find_directions(rows, numbers, 2, 1.0).any()


def test_selectivity_of_a_probe_on_random_features_is_0_within_its_interval() -> None:
    inside = []
    for seed in range(6):
        rows = np.random.default_rng(seed).normal(size=(1, 60, 40)).astype(np.float32)
        labels = ["a", "b"] * 30
        right = judge(rows, labels, seed)
        types = name_types(labels, [None] * 60)
        control = np.mean([judge(rows, deal_labels(labels, types, seed, draw), seed) for draw in range(5)], axis=0)
        low, high = mean_interval_95((right - control)[0])
        inside.append(bool(low <= 0 <= high))
    assert sum(inside) >= 5


def judge(rows: np.ndarray, labels: list[str], seed: int) -> np.ndarray:
    numbers = np.array([sorted(set(labels)).index(one) for one in labels])
    folds = deal_folds(labels, range(len(labels)), 5, seed)
    return np.asarray(guess_held_out(rows, numbers, folds, 1.0) == numbers, dtype=np.float64)


def test_a_probe_that_learns_words_by_heart_is_not_selective() -> None:
    # 6 words of 10 rows each, every word a direction of its own: labels of words are learned, whatever they are
    words = [f"w{at % 6}" for at in range(60)]
    labels = ["a" if int(word[1]) < 3 else "b" for word in words]
    rows = np.random.default_rng(0).normal(0, 0.1, (1, 60, 40)).astype(np.float32)
    for at in range(60):
        rows[0, at, at % 6] += 3
    types = name_types(labels, words)
    assert types == words
    dealt = [deal_labels(labels, types, 0, draw) for draw in range(8)]
    assert all(len({(word, label) for word, label in zip(words, one, strict=True)}) == 6 for one in dealt)
    assert len({tuple(one) for one in dealt}) > 2
    assert judge(rows, labels, 0).mean() == 1
    assert min(judge(rows, one, 0).mean() for one in dealt) > 0.95
    by_row = deal_labels(labels, range(60), 0, 0)  # the wrong control: it would call the probe selective
    assert judge(rows, by_row, 0).mean() < 0.8


@pytest.mark.parametrize(
    ("labels", "words", "types"),
    [
        (["a", "b", "a"], ["x", "y", "x"], ["x", "y", "x"]),
        (["a", "b", "a"], ["x", "x", "x"], [0, 1, 2]),
        (["a", "b", "a"], [None, "y", "x"], [0, 1, 2]),
    ],
)
def test_a_type_is_the_word_where_the_word_tells_the_label(
    labels: list[str], words: list[Any], types: list[Any]
) -> None:
    assert name_types(labels, words) == types
    assert Counter(deal_labels(labels, types, 0, 0)).keys() == Counter(labels).keys()


def test_sums_by_unit_have_the_mean_of_the_rows() -> None:
    values, units = np.arange(10.0).reshape(2, 5), number_units(["p", 1, "p", 3, 3])
    assert units == [0, 1, 0, 2, 2]
    found = sum_by_unit(values, units)
    np.testing.assert_allclose(found.mean(axis=0), values.mean(axis=1))
    np.testing.assert_allclose(found[:, 0], np.array([2, 1, 7]) * 3 / 5)


def test_a_label_that_would_be_of_one_word_alone_is_dealt_again() -> None:
    labels, words = ["noun"] * 6 + ["verb"] * 6, ["bank"] * 6 + ["run", "walk", "eat", "see", "go", "sit"]
    types, units = name_types(labels, words), range(12)
    for draw in range(20):
        dealt = deal_testable_labels(labels, types, units, 0, draw)
        assert min(Counter(dealt).values()) >= 2
    alone = [deal_labels(labels, types, 0, draw) for draw in range(20)]
    assert any(min(Counter(dealt).values()) == 1 for dealt in alone)
