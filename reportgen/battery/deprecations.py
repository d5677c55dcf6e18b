"""What batteries may still say, and will not for long: told with file and line while they are read.

A key, a probe, or how a probe measures stays for one more release after the first that warns of it; then it goes,
and its entry here with it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from reportgen.documents.problem import Problem, Where

Kind = Literal["battery", "model", "probe"]


@dataclass(frozen=True)
class Deprecation:
    """One thing that goes: a key of the battery, of a model or of a probe, or a probe, as a whole or as it measures."""

    kind: Kind
    """Whose it is."""
    since: str
    """The first version that warns."""
    removed_in: str
    """The version that no longer takes it."""
    instead: str
    """What to write, or to do, in a sentence."""
    key: str = ""
    """The key; empty where a whole probe is meant."""
    probe: str = ""
    """The probe's name; empty where it is no probe's, or every probe's."""
    version: int | None = None
    """Where a probe stays and will measure otherwise: its version that ends."""

    @property
    def what(self) -> str:
        """What goes, as a person names it."""
        if self.version is not None:
            return f"version {self.version} of the probe {self.probe}"
        if not self.key:
            return f"the probe {self.probe}"
        return f"{self.key} of {self.probe}" if self.probe else f"{self.key} of a {self.kind}"

    @property
    def message(self) -> str:
        """What is told where a battery says it."""
        return f"{self.what} is deprecated since {self.since} and goes with {self.removed_in}"

    def find_in(self, battery: Mapping[str, Any]) -> Iterator[Where]:
        """Where a battery, as it is written, says it."""
        for where, written in _list_places(self.kind, battery):
            if self.probe and written.get("probe") != self.probe:
                continue
            if not self.key:
                yield (*where, "probe")
            elif self.key in written:
                yield (*where, self.key)


DEPRECATED: tuple[Deprecation, ...] = ()
"""What goes next. Empty: nothing does."""


def find_deprecated(battery: Any, known: Sequence[Deprecation] | None = None) -> list[Problem]:
    """A warning for each thing in a battery, as it is written, that a coming version does not take."""
    if not isinstance(battery, dict):
        return []
    return [
        Problem(where, one.message, one.instead)
        for one in (DEPRECATED if known is None else known)
        for where in one.find_in(battery)
    ]


def _list_places(kind: Kind, battery: Mapping[str, Any]) -> Iterator[tuple[Where, Mapping[str, Any]]]:
    """The mappings in which keys of a kind stand, and where each lies."""
    if kind == "battery":
        yield (), battery
        return
    matrix = battery.get("matrix")
    tops: list[tuple[Where, Any]] = [((f"{kind}s",), battery.get(f"{kind}s"))]
    if kind == "model" and isinstance(matrix, dict):
        tops.append((("matrix", "models"), matrix.get("models")))
    for where, entries in tops:
        for id, entry in entries.items() if isinstance(entries, dict) else ():
            if isinstance(entry, dict):
                yield (*where, id), entry
