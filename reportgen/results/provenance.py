"""Where numbers come from: versions of libraries, and the machine."""

import platform
import re
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path

LIBRARIES = ("lm-reportgen", "torch", "transformers", "tokenizers", "numpy", "scikit-learn", "matplotlib")

LONGEST_CPU = 200
LONGEST_KIND = 60
"""Characters of a name."""


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on, without importing any of it."""
    return {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES}


def machine() -> dict[str, str]:
    """What ran it; `cpu` is left out where the system does not name it."""
    named = {"cpu": cpu} if (cpu := _name_cpu()) else {}
    return {"host": platform.node(), "system": platform.platform(), "processor": platform.machine(), **named}


def name_machine_kind(ran_on: Mapping[str, str], devices: Iterable[str]) -> str:
    """What kind of machine numbers are from, as a part of a file's name: architecture, processor without its marks and
    clock, and the kinds of device that the models ran on: "x86_64-intel-xeon-platinum-8370c-cpu". Machines of one kind
    move the last bits alike. Empty where the processor's name was not recorded.

    Args:
        ran_on: as `machine` gave it there.
        devices: of the models, as "cuda:0".
    """
    cpu = ran_on.get("cpu", "")
    if not cpu:
        return ""
    kinds = sorted({device.partition(":")[0] for device in devices if device} or {"cpu"})
    plain = re.sub(r"\((r|tm|c)\)|@.*|\bcpu\b|\bprocessor\b|\b\d+-core\b", " ", cpu, flags=re.IGNORECASE)
    words = re.sub(r"[^a-z0-9_]+", "-", " ".join((ran_on.get("processor", ""), plain)).lower()).strip("-")
    return "-".join([words[:LONGEST_KIND].strip("-"), *(re.sub(r"[^a-z0-9]+", "", kind.lower()) for kind in kinds)])


def _name_cpu() -> str:
    """The processor as Linux names it; elsewhere as Python does, if that says more than the architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    found = next(named, "") or platform.processor()
    return "" if found == platform.machine() else found[:LONGEST_CPU]
