import numpy as np

from reportgen.numerics.feature_activity import Activity
from reportgen.numerics.feature_changes import changes, part_of, share_in_common, shift_half_text


def activity(dense: list[list[float]]) -> Activity:
    values = np.array(dense)
    row, feature = values.nonzero()
    return Activity(*values.shape, row, feature, values[row, feature])


def test_a_token_on_which_nothing_fires_in_either_has_no_share() -> None:
    base, other = activity([[1, 1, 0], [0, 0, 0], [0, 2, 0]]), activity([[2, 0, 3], [0, 0, 0], [0, 0, 0]])
    shares = share_in_common(base, other)
    assert shares[[0, 2]].tolist() == [1 / 3, 0.0]
    assert np.isnan(shares[1])


def test_tokens_move_on_by_half_the_text_and_around_its_end() -> None:
    moved = shift_half_text(activity([[1, 0], [2, 0], [0, 3]]))
    assert [moved.column(0).tolist(), moved.column(1).tolist()] == [[0, 1, 2], [3, 0, 0]]
    assert moved.row.tolist() == [0, 1, 2]


def test_a_part_of_a_text_has_its_own_rows() -> None:
    part = part_of(activity([[1, 0], [0, 2], [3, 4], [5, 0]]), 1, 3)
    assert (part.tokens, part.row.tolist(), part.value.tolist()) == (2, [0, 1, 1], [2, 3, 4])


def test_what_rounding_moves_is_no_change_however_steady() -> None:
    base = np.array([[100.0, 100.0, 0.0], [100.0, 100.0, 0.0], [100.0, 100.0, 0.0]])
    found = changes(base, base + np.array([0.001, 0.1, 0.0]), flips=10, seed=0)
    assert found.beyond.tolist() == [False, True, False]


def test_one_prompt_alone_is_never_beyond_the_spread() -> None:
    base = np.zeros((5, 1))
    other = base.copy()
    other[2] = 7.0
    found = changes(base, other, flips=100, seed=0)
    assert not found.beyond.any()
    assert found.by_chance.tolist() == [0] * 15  # each pattern of signs once: 2^4 less the prompts as they are


def test_signs_at_random_move_as_many_as_a_steady_difference_is_beyond_by() -> None:
    generator = np.random.default_rng(0)
    base = generator.random((12, 400))
    noise = changes(base, base + generator.normal(size=base.shape), flips=100, seed=0)
    steady = changes(base, base + 1 + 0.1 * generator.normal(size=base.shape), flips=100, seed=0)
    assert np.quantile(noise.by_chance, 0.05) <= noise.beyond.sum() <= np.quantile(noise.by_chance, 0.95)
    assert steady.beyond.all()
    assert np.median(steady.by_chance) < 100
