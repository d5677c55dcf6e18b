import numpy as np

from reportgen.training.hold_out import draw_held_out, shuffle_rows


def test_a_share_is_held_out_by_seed() -> None:
    held = draw_held_out(1500, 0.2, seed=0)
    assert held.sum() == 300
    np.testing.assert_array_equal(held, draw_held_out(1500, 0.2, seed=0))
    assert (held != draw_held_out(1500, 0.2, seed=1)).any()
    assert 30 < held[:300].sum() < 90, "not the first or the last of them"


def test_shuffled_rows_are_the_same_rows_drawn_apart_from_who_is_held_out() -> None:
    order = shuffle_rows(1500, seed=0)
    assert sorted(order) == list(range(1500))
    assert (order != np.arange(1500)).sum() > 1400
    np.testing.assert_array_equal(order, shuffle_rows(1500, seed=0))
    held = draw_held_out(1500, 0.2, seed=0)
    moved_in = (~held[order] & held).sum()
    assert 200 < moved_in < 280, "rows held out are given the numbers of any others"
