import math

import numpy as np
import pytest

from reportgen.model.sae.atlas import BINS, EDGES, FeatureAtlas, FiringTable
from reportgen.numerics.detection import auc, auc_of_pattern
from tests.reference import sae_atlas as slow

FEATURES = 12


def part(windows: range, seed: int = 0, length: int = 20) -> FiringTable:
    """Some windows in which about a third fires; equal activations on purpose."""
    entries = []
    for window in windows:
        draw = np.random.default_rng([seed, window])
        values = np.round(draw.exponential(3.0, (length, FEATURES)), 1) * (draw.random((length, FEATURES)) < 0.3)
        position, feature = np.nonzero(values)
        places = position + window * length
        entries.append((places, np.full(len(places), window), feature, values[position, feature]))
    place, window, feature, value = (np.concatenate(column) for column in zip(*entries, strict=True))
    return FiringTable(
        place.astype(np.int64), window.astype(np.int64), feature.astype(np.int64), value.astype(np.float32),
        length * len(windows),
    )  # fmt: skip


def atlas(watched: tuple[int, ...] = ()) -> FeatureAtlas:
    return FeatureAtlas(FEATURES, most=4, drawn=3, watched=np.array(watched, np.int64))


def same(one, other) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one.arrays().values(), other.arrays().values(), strict=True))


def test_parts_in_any_order_and_merged_states_equal_all_at_once() -> None:
    kept = atlas((3, 40, 77))
    whole = kept.update(kept.init(), part(range(30)))
    in_turn = kept.init()
    for window in (*range(15, 30), *range(15)):
        in_turn = kept.update(in_turn, part(range(window, window + 1)))
    merged = kept.merge(kept.update(kept.init(), part(range(11))), kept.update(kept.init(), part(range(11, 30))))
    assert same(whole, in_turn)
    assert same(whole, merged)
    assert same(kept.merge(kept.init(), whole), whole)
    assert not same(whole, kept.update(kept.init(), part(range(29))))


def test_the_strongest_are_one_a_window_and_equal_ones_in_the_texts_order() -> None:
    seen, entries = atlas().update(atlas().init(), part(range(30))), part(range(30))
    for feature in range(FEATURES):
        best: dict[int, tuple[float, int]] = {}
        for at in np.flatnonzero(entries.feature == feature):
            one = (-float(entries.value[at]), int(entries.place[at]))
            window = int(entries.window[at])
            best[window] = min(best.get(window, one), one)
        expected = sorted(best.values())[:4]
        found = list(zip(seen.strength[feature].tolist(), seen.strongest[feature].tolist(), strict=True))
        assert found == expected
        several = sorted(
            (-float(v), int(p))
            for v, p in zip(
                entries.value[entries.feature == feature], entries.place[entries.feature == feature], strict=True
            )
        )[:4]
        assert len({place // 20 for _, place in found}) == 4
        if several != expected:
            assert found != several


def test_the_state_is_as_large_after_100_windows_as_after_10() -> None:
    def size(count: int) -> int:
        seen = atlas((5,)).update(atlas((5,)).init(), part(range(count)))
        return sum(one.nbytes for one in seen.arrays().values())

    assert size(100) == size(10) == sum(one.nbytes for one in atlas((5,)).init().arrays().values())


def test_an_activation_at_an_edge_belongs_to_the_bin_above_it_and_ends_hold_what_lies_beyond() -> None:
    kept = FeatureAtlas(1, 1, 0, np.zeros(0, np.int64))
    values = np.array([EDGES[0] / 100, EDGES[0], 1.5, EDGES[-1] * 100], np.float64)
    seen = kept.update(
        kept.init(), FiringTable(np.arange(4), np.arange(4), np.zeros(4, np.int64), values.astype(np.float64), 4)
    )
    expected = np.zeros(BINS, np.int64)
    for value in values:
        expected[slow.bin_of(value)] += 1
    assert seen.histogram[0].tolist() == expected.tolist()
    assert (seen.histogram[0, 0], seen.histogram[0, -1]) == (2, 1)
    edge = kept.update(kept.init(), FiringTable(*(np.zeros(1, np.int64),) * 3, np.array([EDGES[8]]), 1))
    assert edge.histogram[0].argmax() == 8


def test_drawn_tokens_are_tokens_on_which_the_feature_fires_and_no_more_often_the_strong_ones() -> None:
    entries = part(range(200))
    seen = atlas().update(atlas().init(), entries)
    strengths = []
    for feature in range(FEATURES):
        by_place = dict(
            zip(
                entries.place[entries.feature == feature].tolist(),
                entries.value[entries.feature == feature].tolist(),
                strict=True,
            )
        )
        strengths += [by_place[place] for place in seen.drawn[feature].tolist()]
    assert np.mean(strengths) == pytest.approx(float(entries.value.mean()), rel=0.35)
    assert -seen.strength.mean() > 2 * float(entries.value.mean())


def test_what_fires_on_watched_tokens_is_kept() -> None:
    entries = part(range(10))
    seen = atlas((7, 31)).update(atlas((7, 31)).init(), entries)
    for row, place in enumerate((7, 31)):
        assert np.flatnonzero(seen.there[row]).tolist() == sorted(entries.feature[entries.place == place].tolist())


def test_the_area_under_the_curve_is_that_of_all_pairs_and_half_for_who_knows_nothing() -> None:
    draw = np.random.default_rng(0)
    firing, silent = draw.integers(0, 5, 9), draw.integers(0, 5, 14)
    assert auc(firing, silent) == pytest.approx(slow.auc(firing.tolist(), silent.tolist()))
    assert auc(np.ones(3), np.ones(4)) == 0.5
    assert math.isnan(auc(np.ones(0), np.ones(4)))
    areas = [auc(draw.random(8), draw.random(8)) for _ in range(400)]
    assert np.mean(areas) == pytest.approx(0.5, abs=0.03)


def test_the_area_of_a_pattern_is_that_of_its_tokens_one_by_one() -> None:
    draw = np.random.default_rng(1)
    fires, matches = draw.random(60) < 0.3, draw.random(60) < 0.4
    expected = slow.auc(matches[fires].astype(float).tolist(), matches[~fires].astype(float).tolist())
    found = auc_of_pattern((fires & matches).sum()[None], fires.sum()[None], matches.sum()[None], 60)
    assert found[0] == pytest.approx(expected)
    assert np.isnan(auc_of_pattern(np.array([0]), np.array([0]), np.array([3]), 60)).all()
