"""Where numbers come from: versions of libraries, and the machine."""

import platform
from importlib.metadata import version

LIBRARIES = ("lm-reportgen", "torch", "transformers", "tokenizers", "numpy", "scikit-learn", "matplotlib")


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on, without importing any of it."""
    return {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES}


def machine() -> dict[str, str]:
    """What ran it."""
    return {"host": platform.node(), "system": platform.platform(), "processor": platform.machine()}
