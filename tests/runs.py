"""Running batteries on tiny models."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reportgen.battery.reader import read_battery
from reportgen.running.execute import Results, execute
from reportgen.running.plan import make_plan


def run_probes(models: Mapping[str, Path | str | Mapping[str, Any]], probes: Mapping[str, Any]) -> Results:
    """The results of probes (as a battery writes them) on models (as a battery writes them, or paths)."""
    written = {id: str(source) if isinstance(source, Path) else source for id, source in models.items()}
    battery = {"models": written, "probes": probes}
    return execute(make_plan(read_battery(json.dumps(battery, ensure_ascii=False))))
