"""Which device holds which part of a model that is not to be whole on one: known before its weights are read.

Blocks are kept whole. What is around them (embedding, final norm, unembedding) always stays in the memory of a device:
probes read it directly, and it is read for every token. accelerate and transformers do the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import torch
from accelerate.utils import get_max_memory, infer_auto_device_map
from torch import nn

from reportgen.cache import cache_folder
from reportgen.errors import Mistake, ModelError
from reportgen.model.network.anatomy import Network, find_blocks
from reportgen.model.network.held import list_outside

DISK, HOST = "disk", "cpu"
Device = str | int | torch.device
DeviceMap = dict[str, Device]
"""Name of a module -> what holds its weights."""


@dataclass(frozen=True)
class Held:
    """How a battery wants the weights of a model to be held."""

    spread: bool = False
    """Over all accelerators."""
    offload: bool = False
    """Whether some may then stay on the host."""
    stream: bool = False
    """Blocks on the disk."""

    @property
    def whole(self) -> bool:
        """Whether everything lies on one device."""
        return not (self.spread or self.stream)


def place_on_disk(shape: Network, device: torch.device) -> DeviceMap:
    """Blocks on the disk, all else on a device."""
    name, blocks = find_blocks(shape)
    outside: DeviceMap = dict.fromkeys(list_outside(shape, blocks), device.type if device.index is None else device)
    return outside | {f"{name}.{at}": DISK for at in range(len(blocks))}


def spread_out(shape: Network, *, offload: bool, most: Mapping[Device, int] | None = None) -> DeviceMap:
    """Blocks over the devices, in order, as many on each as its memory holds.

    Args:
        shape: the network without weights, in the dtype that it will have.
        offload: whether some may be held by the host or its disk.
        most: bytes that each device may hold, the first accelerator first; by default what is free.

    Raises:
        ModelError: not all fit, and the rest may not be offloaded.
    """
    free = dict(get_max_memory() if most is None else most)
    name, blocks = find_blocks(shape)
    found = _share_out(shape, blocks, free)
    main = next(iter(free))
    slow = {DISK} if main == HOST else {DISK, HOST}
    if not slow & set(found.values()):
        return found
    if not offload:
        raise ModelError(_explain_offload(shape, found, free, slow))
    outside = list(list_outside(shape, blocks))
    around = sum(count_bytes(shape.get_submodule(one)) for one in outside if found.get(one) in slow)
    found = _share_out(shape, blocks, free | {main: max(free[main] - around, 0)})
    inside = {module: device for module, device in found.items() if f"{module}.".startswith(f"{name}.")}
    return dict.fromkeys(outside, main) | (inside or {f"{name}.{at}": found[""] for at in range(len(blocks))})


def make_resaving_folder() -> Path:
    """A folder for weights that the model has in another form than its files (the experts of a mixture, joined), and
    that are written to the disk once more to be read from there.
    """
    within = cache_folder() / "streamed"
    within.mkdir(parents=True, exist_ok=True)
    return Path(mkdtemp(dir=within))


def count_bytes(module: nn.Module) -> int:
    """Of its parameters, a shared one once."""
    return sum(parameter.numel() * parameter.element_size() for parameter in module.parameters())


def _share_out(shape: Network, blocks: nn.ModuleList, free: Mapping[Device, int]) -> DeviceMap:
    kinds = sorted({type(block).__name__ for block in blocks})
    found: Any = infer_auto_device_map(shape, max_memory=dict(free), no_split_module_classes=kinds)
    return dict(found)


def _explain_offload(shape: Network, found: DeviceMap, free: Mapping[Device, int], slow: set[str]) -> Mistake:
    left = sum(count_bytes(shape.get_submodule(name)) for name, device in found.items() if device in slow)
    room = sum(size for device, size in free.items() if device not in slow)
    devices = sum(1 for device in free if device not in slow)
    where = "the accelerators'" if devices > 1 or slow != {DISK} else "the host's"
    told = (
        f"the weights ({count_bytes(shape) / 1e9:.3g} GB) do not fit into {where} memory ({room / 1e9:.3g} GB on "
        f"{devices}): {left / 1e9:.3g} GB would be brought there anew for each pass"
    )
    return Mistake(told, "allow that with offload: true (many times slower), or read all from the disk: stream: true")
