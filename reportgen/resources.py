"""Where the files that ship with the code lie: in a checkout, and in an installed wheel."""

from functools import cache
from pathlib import Path
from typing import Literal

PACKAGE = Path(__file__).parent
IN_WHEEL = {
    "templates": "templates",
    "prompts": "prompt_sets",
    "reports": "batteries",
    "requirements": "requirements",
    "schemas": "schemas",
}
"""Folder of a checkout -> where a wheel has it: whole, or (reports, requirements) what `reportgen demo` wants of it."""


@cache
def folder(name: Literal["templates", "prompts", "reports", "requirements", "schemas"]) -> Path:
    """The folder of that name.

    Raises:
        FileNotFoundError: the installation lacks it.
    """
    checkout = PACKAGE.parent
    # site-packages may hold a stranger's `prompts` folder; only a checkout has pyproject.toml next to the package
    found = checkout / name if (checkout / "pyproject.toml").is_file() else PACKAGE / IN_WHEEL[name]
    if not found.is_dir():
        raise FileNotFoundError(f"this installation of reportgen lacks its {name}: {found} is not a folder")
    return found
