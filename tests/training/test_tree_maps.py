"""Maps under which distances are those of trees: planted trees are found, and none in rows of other sentences."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from reportgen.numerics.trees import measure_tree
from reportgen.probes.structural_probe.grammar import write_sentences
from reportgen.probes.structural_probe.scores import map_words, score_chain, score_points
from reportgen.probes.structural_probe.trees import Sentence
from reportgen.training import tree_maps
from reportgen.training.tree_maps import _cut_batches, _sum_losses, fit_tree_maps, square_distances
from tests.reference.structural_probe import loss_of_sentence, score

WIDTH, STEP = 48, 3.0


def plant(sentences: list[Sentence], seed: int = 0) -> np.ndarray:
    """(word x width) rows in which the tree lies: each edge is a step of its own at right angles to all others, in one
    half of the numbers, all turned at random; noise in the other half.
    """
    random = np.random.default_rng(seed)
    turned = np.linalg.qr(random.normal(size=(WIDTH, WIDTH)))[0]
    rows = []
    for one in sentences:
        places = np.zeros((len(one.words), WIDTH))
        for word in range(len(one.words)):
            at = word
            while at >= 0:
                places[word, at] = STEP
                at = one.heads[at]
        places[:, WIDTH // 2 :] = random.normal(size=(len(one.words), WIDTH // 2))
        rows.append(places @ turned)
    return np.concatenate(rows).astype(np.float32)


@pytest.fixture(scope="module")
def sentences() -> list[Sentence]:
    return sorted(write_sentences(260, 3), key=lambda one: len(one.words))


def fit(sentences: list[Sentence], rows: np.ndarray, trees: list[np.ndarray], rank: int = 20) -> np.ndarray:
    words = sum(len(tree) for tree in trees)
    return fit_tree_maps(np.ascontiguousarray(rows[:, :words]), trees, rank, 0)


def halve(sentences: list[Sentence]) -> tuple[list[Sentence], list[Sentence]]:
    return sentences[::2], sentences[1::2]


@pytest.fixture(scope="module")
def found(sentences: list[Sentence]) -> dict[str, float]:
    trained, tested = halve(sentences)
    words = sum(len(one.words) for one in trained)
    trees = [measure_tree(one.heads) for one in trained]
    shares = {}
    for name, planted in (("trees", [*trained, *tested]), ("others", deal([*trained, *tested]))):
        rows = plant(planted)[None]
        maps = fit(trained, rows, trees)
        shares[name] = float(score_points(map_words(rows[:, words:], maps), tested).uuas[0])
    return shares


def deal(sentences: list[Sentence]) -> list[Sentence]:
    """Of each a random one of as many words."""
    random = np.random.default_rng(1)
    alike = {count: [one for one in sentences if len(one.words) == count] for count in range(1, 20)}
    return [alike[count][random.integers(len(alike[count]))] for count in (len(one.words) for one in sentences)]


def test_planted_trees_are_found_in_sentences_that_were_held_out(found: dict[str, float]) -> None:
    assert found["trees"] > 0.95


def test_rows_of_other_sentences_show_no_trees(found: dict[str, float], sentences: list[Sentence]) -> None:
    chain, _ = score_chain(sentences)
    assert found["others"] < chain


def test_the_loss_is_that_of_the_plain_loop() -> None:
    random = torch.Generator().manual_seed(0)
    trees = [measure_tree(heads) for heads in ([-1, 0, 0, 2], [1, -1, 1, 1], [-1, 0, 1, 2, 3])]
    rows = torch.randn(2, 13, 6, generator=random)
    maps = torch.randn(2, 3, 6, generator=random)
    batches = list(_cut_batches(trees))
    assert [(one.words.start, one.words.stop, len(one.gold)) for one in batches] == [(0, 8, 2), (8, 13, 1)]
    expected = [
        sum(
            loss_of_sentence(rows[layer, at : at + 4], maps[layer], tree) for at, tree in ((0, trees[0]), (4, trees[1]))
        )
        / 2
        for layer in (0, 1)
    ]
    assert float(_sum_losses(rows, maps, batches[0])) == pytest.approx(float(sum(expected)), rel=1e-5)
    alone = sum(loss_of_sentence(rows[layer, 8:], maps[layer], trees[2]) for layer in (0, 1))
    assert float(_sum_losses(rows, maps, batches[1])) == pytest.approx(float(alone), rel=1e-5)


def test_distances_are_squares() -> None:
    points = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    assert square_distances(points)[0, 1] == 25, "and not 5"


def test_a_layer_does_not_depend_on_those_beside_it(sentences: list[Sentence], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_maps, "EPOCHS", 2)
    few = sentences[100:130]
    trees = [measure_tree(one.heads) for one in few]
    rows = np.stack([plant(few, seed) for seed in (0, 1)])
    both = fit(few, rows, trees, 4)
    np.testing.assert_array_equal(both, fit(few, rows, trees, 4))
    np.testing.assert_allclose(both[1:], fit(few, rows[1:], trees, 4), atol=1e-5)
    assert both.shape == (2, 4, WIDTH)


def test_scores_are_those_of_the_plain_loop(sentences: list[Sentence]) -> None:
    some = sentences[::20]
    points = np.random.default_rng(0).normal(size=(2, sum(len(one.words) for one in some), 5)).astype(np.float32)
    starts = np.cumsum([0, *(len(one.words) for one in some)])
    found = score_points(points, some)
    for layer in (0, 1):
        of_sentences = [points[layer, a:b].astype(float) for a, b in pairwise(starts.tolist())]
        expected = score(of_sentences, [one.heads for one in some], [one.counted for one in some])
        assert (found.uuas[layer], found.dspr[layer]) == pytest.approx(expected)


def test_punctuation_would_move_the_attachment(sentences: list[Sentence]) -> None:
    some = sentences[::20]
    points = np.random.default_rng(0).normal(size=(1, sum(len(one.words) for one in some), 5)).astype(np.float32)
    starts = np.cumsum([0, *(len(one.words) for one in some)])
    of_sentences = [points[0, a:b].astype(float) for a, b in pairwise(starts.tolist())]
    with_marks, _ = score(of_sentences, [one.heads for one in some], [range(len(one.words)) for one in some])
    assert abs(with_marks - score_points(points, some).uuas[0]) > 1e-3


def test_words_that_are_no_numbers_have_no_score(sentences: list[Sentence]) -> None:
    some = sentences[200:202]
    points = np.ones((2, sum(len(one.words) for one in some), 3), dtype=np.float32)
    points[1, 3] = np.nan
    found = score_points(points, some)
    assert np.isfinite(found.uuas[0])
    assert np.isnan(found.uuas[1])
    assert np.isnan(found.dspr).all(), "all distances are alike at the one, none is a number at the other"
