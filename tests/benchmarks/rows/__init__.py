"""The rows of the table: which parts of a round each needs, and what it makes of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.benchmarks.card import Card
from tests.benchmarks.measurement import Measurement
from tests.benchmarks.rounds import Rounds


@dataclass(frozen=True)
class Bench:
    """What a row may use."""

    card: Card
    rounds: Rounds
    count: int
    """How often whatever varies is measured."""


@dataclass(frozen=True)
class Row:
    """A row, which may come to several measurements."""

    measure: Callable[[Bench], list[Measurement]]
    parts: tuple[str, ...] = ()
    on_demand: bool = False
    """Takes long: is left out unless asked for."""


def rows() -> Mapping[int, Row]:
    """All rows by number."""
    from tests.benchmarks.rows import (
        again,
        atlas,
        attention,
        commands,
        compute,
        edits,
        growth,
        large,
        lecture,
        peak,
        phases,
        whole,
        world,
    )

    listed = (compute, whole, again, commands, peak, attention, growth, large, lecture, edits, atlas)
    known = [*(module.ROW for module in listed), atlas.MANY_ROW, phases.ROW, world.ROW]
    return dict(enumerate(known, start=1))


NAMED = {"phases": 13}
"""Rows that are also asked for by name."""
