"""What a default run needs, and whether it is here: no network is asked, and nothing heavy imported."""

import ctypes
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from platform import platform, python_version, system
from typing import Any, Literal

from rich.filesize import decimal

from reportgen.cache import cache_folder
from reportgen.errors import OutputError
from reportgen.fingerprints import folder_of, version_of
from reportgen.look.font_sources import CHAIN, MONO
from reportgen.model.files.demo import DEMO_MODELS, DemoModel
from reportgen.report.document import print_pdf

State = Literal["ok", "advice", "missing"]
"""Whether a default run has it; `advice`: it runs without, and something else would not."""
OWN = "lm-reportgen"
APART = ("torch", "weasyprint")
"""Distributions that have a check of their own."""
BYTES_A_PARAMETER = 6
"""Of a demo model while it is made ready: 4 as float32, and what is downloaded, twice (measured: 1.7)."""
OUTPUTS_BYTES = 300_000_000
"""Room for results, figures and pages of a default run."""
MEMORY_BYTES = 2_000_000_000
"""What a default run takes at its peak, as `reportgen plan` estimates it (1.6 GB), and some for the rest."""
_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(?:>=(?P<least>\d+(?:\.\d+)*))?")
"""A requirement as ours are; one that only an extra asks for has its condition behind it, and does not match."""
_BUILD = re.compile(r"^(?P<kind>cuda|hip|xpu)\b[^=]*= *'(?P<version>[^']+)'", re.MULTILINE)
_NVIDIA = Path("/proc/driver/nvidia/version")
_GROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    state: State
    found: str
    """What is there, or what is not."""
    remedy: str = ""
    """The one command, or the one thing to do, where something is missing."""


def examine() -> list[Check]:
    """Everything that a default run needs, in the order in which it is wanted."""
    return [
        Check("Python", "ok", f"{python_version()} on {platform(terse=True)}"),
        _check_packages(),
        _check_torch(),
        _check_pdf(),
        _check_fonts(),
        _check_memory(),
        _check_disk(),
        *(_check_demo(model) for model in DEMO_MODELS.values()),
        _check_login(),
    ]


def has_all(checks: list[Check]) -> bool:
    """Whether a default run has everything."""
    return all(check.state != "missing" for check in checks)


def as_document(checks: list[Check]) -> dict[str, Any]:
    """What was found, as JSON holds it."""
    return {"ok": has_all(checks), "checks": [asdict(check) for check in checks]}


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
        said = _BUILD.search((folder_of("torch") / "version.py").read_text(encoding="utf-8"))
        built = f"{_ACCELERATORS[said['kind']]} {said['version']}" if said else ""
    if not built and _NVIDIA.exists():
        told = f"{here}, built for a CPU, where this machine has an NVIDIA GPU"
        return Check(name, "advice", told, "python -m pip install --force-reinstall torch")
    return Check(name, "ok", f"{here}, built for {built or _without_build()}")


_ACCELERATORS = {"cuda": "CUDA", "hip": "ROCm", "xpu": "XPU"}
"""What torch calls them -> what people do."""


def _without_build() -> str:
    return "a CPU and Apple's GPU" if system() == "Darwin" else "a CPU"


def _check_pdf() -> Check:
    """Asks the process that prints, which loads WeasyPrint and Pango; nothing is printed."""
    try:
        print_pdf("", Path(tempfile.gettempdir()) / "nothing.pdf")
    except OutputError as missing:
        with_pango = "Pango" in str(missing)
        return Check("PDF", "missing", str(missing), _install_pango() if with_pango else _INSTALL_WEASYPRINT)
    return Check("PDF", "ok", f"WeasyPrint {version_of('weasyprint')} and Pango")


_INSTALL_WEASYPRINT = "python -m pip install weasyprint"


def _install_pango() -> str:
    """The command of the first package manager that is here."""
    known = {
        "apt-get": "sudo apt-get install libpango-1.0-0 libpangoft2-1.0-0",
        "dnf": "sudo dnf install pango",
        "pacman": "sudo pacman -S pango",
        "apk": "sudo apk add pango",
        "brew": "brew install pango",
        "conda": "conda install -c conda-forge pango",
    }
    return next((command for program, command in known.items() if shutil.which(program)), "install Pango 1.44 or newer")


def _check_fonts() -> Check:
    lacking = {source.distribution: None for source in (*CHAIN, MONO) if not _is_there(source.package, source.file)}
    if lacking:
        names = " ".join(lacking)
        told = f"the fonts of {', '.join(lacking)} are not there"
        return Check("fonts", "missing", told, f"python -m pip install --force-reinstall --no-deps {names}")
    return Check("fonts", "ok", f"{len(CHAIN) + 1} files, for the scripts of tokens")


def _is_there(package: str, file: str) -> bool:
    with suppress(ModuleNotFoundError):
        return (folder_of(package) / file).is_file()
    return False


def _check_memory() -> Check:
    limit = _memory_limit()
    if limit is None:
        return Check("memory", "ok", "this system does not say how much there is")
    told = f"{decimal(limit)}, where a default run takes about {decimal(MEMORY_BYTES)}"
    if limit < MEMORY_BYTES:
        return Check("memory", "missing", told, "reportgen demo --small")
    return Check("memory", "ok", told)


def _memory_limit() -> int | None:
    """Bytes of memory: the machine's, or fewer where a container has a share; None where nothing says."""
    limits = list(_list_limits())
    return min(limits) if limits else None


def _list_limits() -> Iterator[int]:
    if system() == "Windows":
        yield _memory_of_windows()
    with suppress(AttributeError, ValueError, OSError):
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(ValueError, OSError):  # the word "max" is no number
        yield int(_GROUP_LIMIT.read_text())


def _memory_of_windows() -> int:
    kilobytes = ctypes.c_ulonglong()
    kernel: Any = getattr(ctypes, "windll").kernel32  # noqa: B009 (typed on Windows alone)
    kernel.GetPhysicallyInstalledSystemMemory(ctypes.byref(kilobytes))
    return kilobytes.value * 1024


def _check_disk() -> Check:
    """Room and permission where the cache lies, or will lie."""
    folder = cache_folder()
    nearest = next(place for place in (folder, *folder.parents) if place.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        told = f"nothing can be written to {nearest}, where the cache is to lie ({folder})"
        return Check("cache", "missing", told, "set REPORTGEN_CACHE to a folder of your own")
    free, needed = shutil.disk_usage(nearest).free, _needed_bytes()
    told = f"{decimal(free)} free at {folder}, where a default run needs about {decimal(needed)}"
    if free < needed:
        return Check("cache", "missing", told, "set REPORTGEN_CACHE to a folder with more room")
    return Check("cache", "ok", told)


def _needed_bytes() -> int:
    waiting = sum(model.parameters for model in DEMO_MODELS.values() if not model.converted)
    return OUTPUTS_BYTES + BYTES_A_PARAMETER * waiting


def _check_demo(model: DemoModel) -> Check:
    name = f"demo:{model.id}"
    if model.converted:
        return Check(name, "ok", "ready in the cache")
    if model.installed:
        return Check(name, "ok", "installed; converted when it is first used, in about a minute")
    return Check(name, "missing", "neither installed nor in the cache", "reportgen demo")


def _check_login() -> Check:
    """Whether there is a token of the hub, as huggingface_hub looks for it; its text is neither read nor told."""
    if any(os.environ.get(name) for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")):
        return Check("hub login", "ok", "a token is in the environment")
    home = Path(os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface")
    file = Path(os.environ.get("HF_TOKEN_PATH") or home / "token").expanduser()
    with suppress(OSError):
        if file.stat().st_size:
            return Check("hub login", "ok", "a token is stored")
    return Check(
        "hub login", "advice", "none: of the hub's models, those behind an agreement are closed", "hf auth login"
    )
