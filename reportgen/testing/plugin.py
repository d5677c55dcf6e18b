"""The plugin that pytest finds by its entry point: one fixture."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from reportgen.workflows.notebook import ShownBundle


@pytest.fixture(scope="session")
def reportgen_bundle(tmp_path_factory: pytest.TempPathFactory) -> "Callable[[str | Path], ShownBundle]":
    """A function that runs a battery and gives its bundle: numbers alone, no page, in a temporary folder.

    A battery runs once in a session, however many tests ask for it; what the cache holds is not measured again.
    """
    made: dict[Path, ShownBundle] = {}

    def bundle_of(battery: str | Path) -> "ShownBundle":
        __tracebackhide__ = True
        place = Path(battery).resolve()
        if place not in made:
            made[place] = _run_battery(place, tmp_path_factory.mktemp("reportgen") / place.stem)
        return made[place]

    return bundle_of


def _run_battery(battery: Path, folder: Path) -> "ShownBundle":
    __tracebackhide__ = True
    from reportgen.errors import ReportgenError
    from reportgen.workflows.report import run

    try:
        return run(battery, folder, formats=())
    except ReportgenError as error:  # a person's mistake: a trace of ours says nothing more
        told = "\n".join(str(mistake) for mistake in error.mistakes)
        pytest.fail(f"the battery did not run\n{told}", pytrace=False)
