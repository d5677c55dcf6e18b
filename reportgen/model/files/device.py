"""Where a model runs, and on how many threads: known before torch is imported, wherever that is possible."""

import os
import platform
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_NVIDIA = Path("/proc/driver/nvidia/gpus")
_NODES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg", "/dev/dri", "/dev/accel")
"""What Linux shows of accelerators: without any of them torch finds none."""
SHAPE_ALONE = "meta"
"""The device of a model without weights."""
MOST_THREADS = 16
"""More gain nothing on prompts of a few tokens."""


def kind_of(device: str) -> str:
    """The kind of device (cpu, cuda, mps, …) that a battery's `device` will mean; torch is asked only where it must."""
    if device != "auto":
        return device.partition(":")[0]
    return "cpu" if _lacks_accelerator() else str(choose_device(device).type)


def choose_device(device: str) -> "torch.device":
    """The device a battery asks for; `auto` is the accelerator if there is one."""
    import torch

    if device != "auto":
        return torch.device(device)
    accelerator: Any = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return torch.device("cpu") if accelerator is None else accelerator


def count_accelerators() -> int:
    """How many accelerators this process may use; 1 where there is none to count."""
    if _lacks_accelerator():
        return 1
    import torch

    return max(1, torch.accelerator.device_count())


def hardware(kind: str) -> str:
    """What computes: numbers of another processor may differ in their last bits."""
    processor = f"{platform.machine()} {_processor()}".strip()
    if kind == "cpu":
        return processor
    known = sorted(_NVIDIA.glob("*/information")) if kind == "cuda" else []
    models = {line.partition(":")[2].strip() for file in known for line in _lines(file) if line.startswith("Model:")}
    return f"{kind} {', '.join(sorted(models))} on {processor}"


def default_threads() -> int:
    """Threads of a pass on a CPU: OMP_NUM_THREADS, else the cores this process may use, `MOST_THREADS` at most."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    if told.isdecimal() and int(told) > 0:
        return int(told)
    return max(1, min(_cores(), MOST_THREADS))


def _lacks_accelerator() -> bool:
    if version("torch").endswith("+cpu"):
        return platform.system() != "Darwin"
    return platform.system() == "Linux" and not any(Path(node).exists() for node in _NODES)


def _cores() -> int:
    """Cores, not their hyperthreads, which wait for the same arithmetic; fewer where a container has a share."""
    try:
        usable = os.sched_getaffinity(0)
    except AttributeError:  # not on Linux
        return os.cpu_count() or 1
    topology = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
    cores = {"".join(_lines(Path(topology.format(number)))) or str(number) for number in usable}
    return min(len(cores), _share())


def _share() -> int:
    """Whole processors that the control group grants."""
    granted, _, period = "".join(_lines(Path("/sys/fs/cgroup/cpu.max"))).partition(" ")
    with suppress(ValueError, ZeroDivisionError):
        return max(1, int(granted) // int(period))
    return os.cpu_count() or 1


def _processor() -> str:
    lines = (line for line in _lines(Path("/proc/cpuinfo")) if line.startswith(("model name", "flags")))
    told = dict(line.split(":", 1) for line in lines)
    named = {key.strip(): value.strip() for key, value in told.items()}
    wide = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in named.get("flags", "").split()]
    return " ".join([named.get("model name", platform.processor()), *wide]).strip()


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(errors="replace").splitlines()
    except OSError:
        return []
