"""What is installed here, as a key of the cache names it: versions of distributions, contents of our own files."""

import hashlib
import importlib.metadata
import importlib.util
from functools import cache
from pathlib import Path

from reportgen.cache import key_of
from reportgen.resources import PACKAGE


@cache
def version_of(distribution: str) -> str:
    """The version of a distribution; empty where it is not installed."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


@cache
def build_of(distribution: str) -> str:
    """Its version and a hash over its list of files, which tells builds of one version apart: whatever a wheel brings
    along, as matplotlib's does FreeType, is in the list with its own hash.
    """
    try:
        listed = importlib.metadata.distribution(distribution).read_text("RECORD") or ""
    except importlib.metadata.PackageNotFoundError:
        return ""
    return f"{version_of(distribution)} {hashlib.sha256(listed.encode()).hexdigest()}"


@cache
def folder_of(package: str) -> Path:
    """Where a package lies, which is not imported.

    Raises:
        ModuleNotFoundError: it is missing.
    """
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise ModuleNotFoundError(f"no package {package}: reinstall reportgen", name=package)
    return Path(found.origin).parent


@cache
def code_of(room: str = "") -> str:
    """A hash over our own code, or that of one room (`figures`): what this process runs, so it is looked at once."""
    return contents_of(PACKAGE / room, "*.py")


def contents_of(folder: Path, pattern: str = "*") -> str:
    """A hash over names and contents of the files below a folder."""
    files = sorted(file for file in folder.rglob(pattern) if file.is_file())
    return key_of(*(part for file in files for part in (str(file.relative_to(folder)), file.read_bytes())))
