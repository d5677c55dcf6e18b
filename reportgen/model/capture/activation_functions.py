"""Which module of each block is the activation function of its MLP: found by what it gives, whatever it is called."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from reportgen.model.capture.trial import TOLERANCE, choose_trial_tokens
from reportgen.model.network.loaded import LoadedModel

Outputs = dict[nn.Module, torch.Tensor]


@torch.inference_mode()
def activation_functions_of(model: LoadedModel) -> tuple[nn.Module | None, ...]:
    """(block) the module without weights whose output is what enters the down projection, or that times what another
    matrix gives (a gated MLP); None where there is none.
    """
    found: list[nn.Module | None] = []
    with _hear(model) as (outputs, entered):
        ids = torch.tensor([choose_trial_tokens(model)], device=model.device)
        model.anatomy.decoder(input_ids=ids, use_cache=False)
    for block, writer in zip(model.anatomy.blocks, model.anatomy.mlp_writers, strict=True):
        own = {module: outputs[module] for module in block.modules() if module in outputs}
        projection = None if writer is None else writer.projection
        found.append(None if projection is None else _find(own, entered.get(projection), TOLERANCE[model.dtype]))
    return tuple(found)


@contextmanager
def _hear(model: LoadedModel) -> Iterator[tuple[Outputs, Outputs]]:
    """What the modules inside the blocks give, and what enters the down projections."""
    outputs: Outputs = {}
    entered: Outputs = {}
    inside = {module for block in model.anatomy.blocks for module in block.modules() if not list(module.children())}
    handles = [module.register_forward_hook(_note_output(outputs)) for module in inside]
    for writer in model.anatomy.mlp_writers:
        if writer is not None and writer.projection is not None:
            handles.append(writer.projection.register_forward_pre_hook(_note_input(entered)))
    try:
        yield outputs, entered
    finally:
        for handle in handles:
            handle.remove()


def _note_output(outputs: Outputs) -> Callable[..., None]:
    def note(module: nn.Module, _args: Any, output: Any) -> None:
        if isinstance(output, torch.Tensor):
            outputs[module] = output.reshape(-1, output.shape[-1]).float()

    return note


def _note_input(entered: Outputs) -> Callable[..., None]:
    def note(module: nn.Module, args: tuple[Any, ...]) -> None:
        entered[module] = args[0].reshape(-1, args[0].shape[-1]).float()

    return note


def _find(outputs: Outputs, entered: torch.Tensor | None, tolerance: float) -> nn.Module | None:
    """The module without weights that accounts for what enters the projection."""
    if entered is None:
        return None
    factors = [torch.ones_like(entered), *(half for one in outputs.values() for half in _halves(one, entered))]
    for module, gave in outputs.items():
        bare = not list(module.parameters()) and gave.shape == entered.shape
        if bare and any(_agree(gave * factor, entered, tolerance) for factor in factors if factor is not gave):
            return module
    return None


def _halves(gave: torch.Tensor, entered: torch.Tensor) -> list[torch.Tensor]:
    """An output that is as wide as what enters the projection, or each half of one that is twice as wide."""
    if gave.shape == entered.shape:
        return [gave]
    twice = gave.shape[0] == entered.shape[0] and gave.shape[1] == 2 * entered.shape[1]
    return list(gave.chunk(2, dim=1)) if twice else []


def _agree(found: torch.Tensor, expected: torch.Tensor, tolerance: float) -> bool:
    return bool((found - expected).abs().max() <= tolerance * expected.abs().max())
