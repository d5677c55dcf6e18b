"""What stands in a battery for a probe of another distribution that cannot be used: its cards say why."""

from typing import Any

from pydantic import ConfigDict

from reportgen.probing.options import ProbeOptions
from reportgen.probing.probe import Probe
from reportgen.results.quantities import Findings


class AnyOptions(ProbeOptions):
    """Whatever the battery says: the probe that would know is not there."""

    model_config = ConfigDict(extra="allow")


class BrokenProbe(Probe[AnyOptions, Findings]):
    """Shows: why this probe could not be used."""

    version = 0
    options, findings = AnyOptions, Findings

    def __init__(self, name: str, reason: str) -> None:
        self.name = name  # type: ignore[misc]  # of every other probe the class states it
        self.question = name  # type: ignore[misc]  # the same
        self.reason = reason

    def run(self, *asked: Any) -> Findings:
        """Never asked for: nothing of it is planned."""
        raise AssertionError(self.reason)
