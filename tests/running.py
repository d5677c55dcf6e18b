"""Running batteries on tiny models."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reportgen.battery import read_battery
from reportgen.execute import Results, execute
from reportgen.plan import make_plan


def run_probes(models: Mapping[str, Path | str], probes: Mapping[str, Any]) -> Results:
    """The results of probes (as a battery writes them) on models (as `source:` writes them)."""
    battery = {"models": {id: str(source) for id, source in models.items()}, "probes": probes}
    return execute(make_plan(read_battery(json.dumps(battery))))
