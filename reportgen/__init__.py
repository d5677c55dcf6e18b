"""See and compare what happens inside language models, on paper.

`run` makes a bundle from a battery, `load` reads one back, `render` makes its pages anew, `compare` says what changed
from one to the next.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reportgen.comparing import compare
    from reportgen.workflow import load, render, run

__all__ = ["compare", "load", "render", "run"]


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    # On first use: `reportgen --help` answers without pydantic and numpy.
    if name == "compare":
        from reportgen.comparing import compare

        return compare
    if name in __all__:
        from reportgen import workflow

        return getattr(workflow, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
