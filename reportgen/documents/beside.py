"""Files and folders that a battery names: their paths start from its own folder."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationInfo

LONGEST_NAME = 255
"""Bytes of a file's name on the disks that there are."""
HERE = Path()
"""The working directory: what is named on the command line starts there."""


class WrittenPath(str):
    """A path, or another source, as a battery writes it, which is how results keep it."""

    folder: Path = HERE
    """The battery's."""

    @property
    def path(self) -> Path:
        """Where the file lies."""
        return locate_path(self, self.folder)


def explain_no_name(written: str) -> str:
    """Why no file can be called so; empty where one can."""
    if "\0" in written:
        return "no file has a zero byte in its name"
    longest = max(len(part.encode(errors="surrogatepass")) for part in written.split("/"))
    return f"no file has a name of {longest:,} bytes" if longest > LONGEST_NAME else ""


def _remember_folder(written: str, info: ValidationInfo) -> str:
    if told := explain_no_name(written):
        raise ValueError(told)
    found = WrittenPath(written)
    folder: Any = (info.context or {}).get("folder")
    found.folder = folder or HERE
    return found


PathOption = Annotated[str, Field(min_length=1), AfterValidator(_remember_folder)]
"""A file, its path taken from the folder of the battery."""


def folder_of(written: str) -> Path:
    """The folder from which a `PathOption` starts; the working directory if no battery named it."""
    return written.folder if isinstance(written, WrittenPath) else HERE


def path_of(written: str) -> Path:
    """Where the file of a `PathOption` lies."""
    return locate_path(written, folder_of(written))


def locate_path(written: str, folder: Path = HERE) -> Path:
    """Where a path lies that starts from a folder, or from the user's home with `~`."""
    try:
        return folder / Path(written).expanduser()
    except RuntimeError:  # `~nobody`
        return folder / written


def exists(path: Path) -> bool:
    """Whether anything lies there; nothing does under a name that no file can have."""
    return _check_path(path, Path.exists)


def is_file(path: Path) -> bool:
    """Whether a file lies there."""
    return _check_path(path, Path.is_file)


def is_folder(path: Path) -> bool:
    """Whether a folder lies there."""
    return _check_path(path, Path.is_dir)


def _check_path(path: Path, looks_so: Callable[[Path], bool]) -> bool:
    try:
        return looks_so(path)
    except (OSError, ValueError):  # a name of more than 255 bytes, or with a zero byte in it
        return False


def lies_only_here(written: str, folder: Path) -> bool:
    """Whether a path lies in the working directory, and not next to the battery in `folder`."""
    there, here = locate_path(written, folder), locate_path(written)
    return not exists(there) and exists(here)


def explain_missing(written: str) -> str:
    """Why the file of a `PathOption` is not of use: it is not there; empty if it is."""
    return "" if exists(path_of(written)) else f"{written} is not there. {explain_search(written, folder_of(written))}"


def explain_search(written: str, folder: Path) -> str:
    """The remedy for a path that is not there: from where it starts, and whether it is meant from elsewhere."""
    if folder == HERE or locate_path(written).is_absolute():
        return "Is the path right?"
    if lies_only_here(written, folder):
        return f"The working directory has one, but paths in a battery start from its folder ({folder})."
    return f"Is the path right? It starts from the battery's folder ({folder})."
