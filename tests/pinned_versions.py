"""What the files in requirements/ pin, and what pyproject.toml asks for: names as pip folds them, and versions."""

import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
REQUIREMENTS = ROOT / "requirements"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def fold(name: str) -> str:
    """A distribution's name as an index knows it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_pins(file: str) -> dict[str, str]:
    """Name -> version of a file in requirements/."""
    found = re.findall(r"^([\w.-]+)==([^\s;\\]+)", (REQUIREMENTS / file).read_text(), re.MULTILINE)
    return {fold(name): version for name, version in found}


def read_bounds() -> dict[str, str]:
    """Name -> the lowest version that pyproject.toml allows of each library that a default installation brings."""
    return {fold(name): least for name, least in (one.split(">=") for one in PROJECT["dependencies"])}
