"""See and compare what happens inside language models, on paper.

`run` makes a bundle from a battery, `load` reads one back, `render` makes its pages anew, `compare` says what changed
from one to the next; `merge` joins bundles of parts of one battery.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reportgen.workflows.comparison import compare
    from reportgen.workflows.merge import merge
    from reportgen.workflows.notebook import load
    from reportgen.workflows.report import render, run

__all__ = ["compare", "load", "merge", "render", "run"]

_MODULES = {
    "compare": "workflows.comparison",
    "load": "workflows.notebook",
    "merge": "workflows.merge",
    "render": "workflows.report",
    "run": "workflows.report",
}


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    # On first use: `reportgen --help` answers without pydantic and numpy.
    if name in _MODULES:
        return getattr(importlib.import_module(f"reportgen.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
