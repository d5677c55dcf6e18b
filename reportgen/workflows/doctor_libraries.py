"""Whether Python's libraries are here: looked at without any of them, click aside, since each may be missing."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from platform import platform, python_version, system
from typing import Literal

State = Literal["ok", "advice", "missing"]
"""Whether a default run has it; `advice`: it runs without, and something else would not."""
OWN = "lm-reportgen"
APART = ("torch", "weasyprint")
"""Distributions that have a check of their own."""
_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(?:>=(?P<least>\d+(?:\.\d+)*))?")
"""A requirement as ours are; one that only an extra asks for has its condition behind it, and does not match."""
_BUILD = re.compile(r"^(?P<kind>cuda|hip|xpu)\b[^=]*= *'(?P<version>[^']+)'", re.MULTILINE)
_NVIDIA = Path("/proc/driver/nvidia/version")


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    state: State
    found: str
    """What is there, or what is not."""
    remedy: str = ""
    """The one command, or the one thing to do, where something is missing."""


def check_libraries() -> Iterator[Check]:
    """Python, what we depend on, and torch."""
    yield Check("Python", "ok", f"{python_version()} on {platform(terse=True)}")
    yield _check_packages()
    yield _check_torch()


def _check_packages() -> Check:
    name = "packages"
    try:
        wanted = requires(OWN) or []
    except PackageNotFoundError:
        return Check(name, "missing", f"{OWN} is not installed, only its code is here", "python -m pip install -e .")
    lacking = [requirement for requirement in wanted if _lacks(requirement)]
    if lacking:
        quoted = " ".join(f'"{requirement}"' for requirement in lacking)
        return Check(name, "missing", f"there is no {', '.join(lacking)}", f"python -m pip install {quoted}")
    return Check(name, "ok", f"{OWN} {version_of(OWN)}, and everything that it depends on")


def _lacks(requirement: str) -> bool:
    read = _REQUIREMENT.fullmatch(requirement)
    if read is None or read["name"] in APART:
        return False
    here = version_of(read["name"])
    return not here or _release(here) < _release(read["least"] or "0")


def _release(version: str) -> tuple[int, ...]:
    """The numbers that a version begins with, which tell the older from the newer."""
    return tuple(int(number) for number in re.findall(r"\d+", version.partition("+")[0])[:3])


def _check_torch() -> Check:
    """Its version and what it was built for, as its own file says; importing it takes seconds."""
    name, here = "PyTorch", version_of("torch")
    if not here:
        return Check(name, "missing", "torch is not installed", "python -m pip install torch")
    built = ""
    with suppress(OSError, ModuleNotFoundError):
        said = _BUILD.search((_folder_of_torch() / "version.py").read_text(encoding="utf-8"))
        built = f"{_ACCELERATORS[said['kind']]} {said['version']}" if said else ""
    if not built and _NVIDIA.exists():
        told = f"{here}, built for a CPU, where this machine has an NVIDIA GPU"
        return Check(name, "advice", told, "python -m pip install --force-reinstall torch")
    return Check(name, "ok", f"{here}, built for {built or _without_build()}")


_ACCELERATORS = {"cuda": "CUDA", "hip": "ROCm", "xpu": "XPU"}
"""What torch calls them -> what people do."""


def _without_build() -> str:
    return "a CPU and Apple's GPU" if system() == "Darwin" else "a CPU"


def _folder_of_torch() -> Path:
    found = find_spec("torch")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("no torch", name="torch")
    return Path(found.origin).parent


def version_of(distribution: str) -> str:
    """The version of a distribution; empty if it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""
