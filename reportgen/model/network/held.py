"""Where the weights of a network are held: in memory, or on the disk until a module runs.

What is not in memory is on torch's meta device outside of the module's own pass, for which a hook of accelerate reads
it. Whoever reads a weight itself asks here.
"""

import copy
from collections.abc import Iterator

import torch
from torch import nn

_OF_HOOKS = ("forward", "_old_forward", "_hf_hook")
"""What accelerate writes into a module that it hooks."""


def device_of_ids(module: nn.Module) -> torch.device:
    """Where tokens enter: the device of the first weights that are in memory; meta where none are."""
    devices = (parameter.device for parameter in module.parameters())
    return next((device for device in devices if device.type != "meta"), torch.device("meta"))


def is_read_in_passing(module: nn.Module) -> bool:
    """Whether weights of a module, or of one inside it, are read anew for each of its passes."""
    return any(getattr(getattr(part, "_hf_hook", None), "offload", False) for part in module.modules())


def read_weight(module: nn.Module, name: str) -> torch.Tensor:
    """A weight by its name in the module, as the module computes with it, read from where it is held."""
    tensor = module.get_parameter(name)
    if tensor.device.type != "meta":
        # A tensor of torchao's that was made in inference mode cannot be detached outside of it.
        return tensor.detach() if tensor.requires_grad else tensor
    from transformers.integrations.accelerate import load_offloaded_parameter

    stored: torch.Tensor = load_offloaded_parameter(module, name)
    return stored.to(tensor.dtype).detach()


def copy_in_float32(module: nn.Module, device: torch.device) -> nn.Module:
    """A copy whose weights are in memory, in float32 on a device, wherever those of the module are held."""
    hooks = (part._hf_hook for part in module.modules() if hasattr(part, "_hf_hook"))
    copied = copy.deepcopy(module, {id(hook): None for hook in hooks})  # a hook may hold weights of the whole model
    for part in copied.modules():
        for name in _OF_HOOKS:
            part.__dict__.pop(name, None)
    for name in _list_absent(copied):
        owner = copied.get_submodule(name.rpartition(".")[0])
        setattr(owner, name.rpartition(".")[2], nn.Parameter(read_weight(module, name), requires_grad=False))
    return copied.float().to(device)


def _list_absent(module: nn.Module) -> list[str]:
    return [name for name, parameter in module.named_parameters() if parameter.device.type == "meta"]


def list_outside(network: nn.Module, blocks: nn.Module) -> Iterator[str]:
    """Names of the outermost modules that hold no block and lie in none."""
    for name, module in network.named_children():
        yield from _outermost(name, module, blocks)


def _outermost(name: str, module: nn.Module, blocks: nn.Module) -> Iterator[str]:
    if module is blocks:
        return
    if any(inside is blocks for inside in module.modules()):
        for child, inner in module.named_children():
            yield from _outermost(f"{name}.{child}", inner, blocks)
    else:
        yield name
