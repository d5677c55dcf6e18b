"""Files that a battery names by a path that starts from its own folder."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationInfo


class FileBeside(str):
    """A path as a battery writes it, which is how results keep it; `path` is where the file lies."""

    path: Path


def _beside(written: str, info: ValidationInfo) -> str:
    folder: Any = (info.context or {}).get("folder")
    found = FileBeside(written)
    found.path = (folder or Path()) / Path(written).expanduser()
    return found


def path_of(written: str) -> Path:
    """Where a file lies that an option of the type `Beside` names; from the working directory where no battery did."""
    return written.path if isinstance(written, FileBeside) else Path(written)


Beside = Annotated[str, Field(min_length=1), AfterValidator(_beside)]
"""A file, its path taken from the folder of the battery."""
