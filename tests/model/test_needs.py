"""A need that cannot be served is refused where it is made."""

from typing import Any

import pytest

from reportgen.model.needs import Need, Site


@pytest.mark.parametrize("positions", ["all", "last", (), (0, 7)])
def test_positions_are_all_of_them_or_the_last_or_some(positions: Any) -> None:
    assert Need(Site.RESIDUAL, positions).positions == positions


@pytest.mark.parametrize("positions", ["everywhere", (-1,), (1.0,), (True,), [0], 3, None])
def test_other_positions_are_refused_where_they_are_named(positions: Any) -> None:
    with pytest.raises(ValueError, match='positions of a need are "all", "last" or a tuple of positions, not'):
        Need(Site.RESIDUAL, positions)
