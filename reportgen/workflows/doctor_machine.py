"""Whether the machine is fit for a default run: what prints, fonts, memory, room, the demo models, and the login."""

import ctypes
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from platform import system
from typing import Any

from rich.filesize import decimal

from reportgen.cache import cache_folder
from reportgen.errors import OutputError
from reportgen.fingerprints import folder_of, version_of
from reportgen.look.font_sources import CHAIN, MONO
from reportgen.model.files.demo import DEMO_MODELS, DemoModel
from reportgen.model.files.demo_wheels import is_fetching_forbidden
from reportgen.report.document import print_pdf
from reportgen.workflows.doctor_libraries import Check

BYTES_A_PARAMETER = 6
"""Of a demo model while it is made ready: 4 as float32, and what is downloaded, twice (measured: 1.7)."""
OUTPUTS_BYTES = 300_000_000
"""Room for results, figures and pages of a default run."""
MEMORY_BYTES = 2_000_000_000
"""What a default run takes at its peak, as `reportgen plan` estimates it (1.6 GB), and some for the rest."""
_GROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
_INSTALL_WEASYPRINT = "python -m pip install weasyprint"


def check_machine() -> Iterator[Check]:
    """Everything but libraries."""
    yield _check_pdf()
    yield _check_fonts()
    yield _check_memory()
    yield _check_disk()
    yield from map(_check_demo, DEMO_MODELS.values())
    yield _check_login()


def _check_pdf() -> Check:
    """Asks the process that prints, which loads WeasyPrint and Pango; nothing is printed."""
    try:
        print_pdf("", Path(tempfile.gettempdir()) / "nothing.pdf")
    except OutputError as missing:
        with_pango = "Pango" in str(missing)
        return Check("PDF", "missing", str(missing), _install_pango() if with_pango else _INSTALL_WEASYPRINT)
    return Check("PDF", "ok", f"WeasyPrint {version_of('weasyprint')} and Pango")


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
    if is_fetching_forbidden():
        told = "not here, and HF_HUB_OFFLINE forbids fetching it"
        return Check(name, "missing", told, model.install_command)
    return Check(name, "advice", "not here yet: fetched when a battery first names it", "reportgen demo")


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
