"""Where a run's processor time goes, as shares of what the notebook takes for the same work."""

import json
from collections.abc import Mapping
from pathlib import Path

from tests.benchmarks.measurement import Measurement
from tests.benchmarks.phases import PHASES
from tests.benchmarks.rounds import Rounds
from tests.benchmarks.rows import Bench, Row

COMMITTED = Path(__file__).parents[1] / "phases.json"
"""The shares as they were when this was last looked at: a test fails where one has grown by a third."""


def shares(rounds: Rounds) -> dict[str, float]:
    """Phase -> its CPU seconds by those of the notebook, one thread each."""
    whole = rounds.cpu_seconds("notebook, one thread")
    return {name: rounds.told("phases", name) / whole for name in PHASES}


def committed() -> Mapping[str, float]:
    found: Mapping[str, float] = json.loads(COMMITTED.read_text())
    return found


def measure(bench: Bench) -> list[Measurement]:
    before = committed()
    return [
        Measurement(f"{name} / the notebook, CPU time", share, 1.3 * before[name], note=f"{before[name]:.3f} committed")
        for name, share in shares(bench.rounds).items()
    ]


ROW = Row(measure, ("notebook, one thread", "phases"))
