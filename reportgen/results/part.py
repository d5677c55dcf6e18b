"""A bundle that holds a part of what its battery measures: which part that is, and who refuses it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reportgen.errors import BundleError, Mistake
from reportgen.results.schema import StoredPart

KEY = "part"
"""Of run.json."""


class PartAlone(BundleError):
    """A part is no run of its battery: what it lacks would be taken for what was skipped."""


@dataclass(frozen=True)
class Part:
    """One of the parts that a battery's work was divided into."""

    this: int
    """Its number, from 1."""
    split: tuple[tuple[str, ...], ...]
    """The subjects of each part; every subject of the battery is in one of them."""
    battery: str
    """`fingerprint_of` the battery."""
    outputs: tuple[str, ...]
    """What the battery wants to be made of the whole."""

    @property
    def of(self) -> int:
        """How many parts there are."""
        return len(self.split)

    @property
    def subjects(self) -> tuple[str, ...]:
        """What this part measures."""
        return self.split[self.this - 1]

    def find_owner(self, subject: str) -> int:
        """The number of the part that measures a subject."""
        return next(number for number, subjects in enumerate(self.split, 1) if subject in subjects)

    def dump_stored(self) -> dict[str, Any]:
        """What run.json says of it."""
        return {
            "this": self.this,
            "of": self.of,
            "split": [list(subjects) for subjects in self.split],
            "battery": self.battery,
            "outputs": list(self.outputs),
        }


def read_part(run: Mapping[str, Any]) -> Part | None:
    """The part that a run.json, which was checked, speaks of; None where its bundle is whole."""
    if run.get(KEY) is None:
        return None
    stored = StoredPart.model_validate(run[KEY])
    return Part(stored.this, tuple(map(tuple, stored.split)), stored.battery, tuple(stored.outputs))


def refuse_part(run: Mapping[str, Any], bundle: Path) -> None:
    """Refuses a bundle that holds a part of its battery only.

    Raises:
        PartAlone: it does.
    """
    part = read_part(run)
    if part is not None:
        told = f"it is part {part.this} of {part.of} of its battery"
        raise PartAlone(Mistake(told, "join the parts first: reportgen merge PART... -o DIR", file=bundle))


def require_part(run: Mapping[str, Any], bundle: Path) -> Part:
    """The part that a bundle holds.

    Raises:
        BundleError: it is whole.
    """
    part = read_part(run)
    if part is None:
        told = "it is no part of a battery: nothing is to be joined with it"
        raise BundleError(Mistake(told, "a part is what reportgen run --part K/N wrote", file=bundle))
    return part
