"""The shipped table of architectures: for each causal LM of transformers, which probes measure it, and why others do
not.

`python -m tests.support_table` makes it: each architecture is built small, with random weights, and asked for every
probe.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from reportgen.documents.regular_file import read_regular_text
from reportgen.errors import BatteryError, Mistake
from reportgen.resources import PACKAGE
from reportgen.suggest import suggestion

FILE = PACKAGE / "data" / "support.json"
_MOST_BYTES = 16_000_000


@dataclass(frozen=True)
class Architecture:
    """What one version of transformers and reportgen make of one kind of model."""

    transformers: str
    """The version."""
    model_type: str
    name: str
    """The class."""
    groups: tuple[str, ...]
    """What it is built of."""
    refused: str
    """Why such a model is refused; empty where it is proven, and probes run."""
    reasons: Mapping[str, str]
    """Probe -> why it does not measure such a model; the others do."""
    limits: Mapping[str, str]
    """Probe -> the options with which alone it measures such a model."""
    probes: tuple[str, ...]
    """The probes that it was asked for, whatever became of them."""

    def tell_outcome(self, probe: str) -> str:
        """How a probe ended in a model that is not refused, in words."""
        if probe in self.reasons:
            return f"not applicable: {self.reasons[probe]}"
        return f"ok, with {self.limits[probe]}" if probe in self.limits else "ok"

    @property
    def measured(self) -> tuple[str, ...]:
        """The probes that measure it."""
        return () if self.refused else tuple(probe for probe in self.probes if probe not in self.reasons)


@cache
def read_support() -> Mapping[str, Sequence[Architecture]]:
    """Version of transformers -> its architectures, by name; the newest version last."""
    held = json.loads(read_regular_text(FILE, _MOST_BYTES))
    return {number: tuple(_read_version(number, held[number])) for number in sorted(held, key=_in_order)}


def _read_version(number: str, held: Mapping[str, Any]) -> Iterator[Architecture]:
    probes = tuple(held["probes"])
    for model_type, row in held["architectures"].items():
        reasons = {probe: reason for reason, named in row.get("reasons", {}).items() for probe in named.split()}
        yield Architecture(
            number,
            model_type,
            row["name"],
            tuple(row["groups"]),
            row.get("refused", ""),
            reasons,
            row.get("limits", {}),
            probes,
        )


def _in_order(number: str) -> tuple[int, ...]:
    return tuple(int(part) for part in number.split(".") if part.isdigit())


def find_support(name: str) -> list[Architecture]:
    """The rows of an architecture, by its class or model type, in upper or lower case: of the version of transformers
    that is installed where it was tried, else of the newest that was.

    Raises:
        BatteryError: no architecture has this name.
    """
    table = read_support()
    number = installed_version() if installed_version() in table else list(table)[-1]
    rows = table[number]
    found = [row for row in rows if name.casefold() in (row.model_type.casefold(), row.name.casefold())]
    if not found:
        known = dict.fromkeys(known for row in rows for known in (row.name, row.model_type))
        told = f"transformers {number} has no causal LM that is called '{name}'"
        raise BatteryError(Mistake(told, f"{suggestion(name, known)} docs/reference/support.md lists them all."))
    return found


def installed_version() -> str:
    """The version of transformers that is installed; empty where none is."""
    try:
        return version("transformers")
    except PackageNotFoundError:
        return ""
