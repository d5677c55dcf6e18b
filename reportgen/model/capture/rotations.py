"""How each block turns queries and keys by their positions: found once, on a few tokens, from what the model calls."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from reportgen.model.capture.trial import choose_trial_tokens
from reportgen.model.network.attention import blocks_in_turn
from reportgen.model.network.loaded import LoadedModel
from reportgen.model.network.rotary import Rotation
from reportgen.model.network.scores import Seen, watch_attention


@torch.inference_mode()
def rotations_of(model: LoadedModel) -> dict[int, Rotation]:
    """Block -> how it turns queries and keys; blocks that turn none, or where that is not seen, are left out."""
    if model.rotations is None:
        model.rotations = _find_rotations(model)
    return model.rotations


def _find_rotations(model: LoadedModel) -> dict[int, Rotation]:
    found: dict[int, Rotation] = {}
    blocks = blocks_in_turn(model.anatomy.attentions)
    with _watch_tables(model.anatomy.decoder) as calls:

        def take(module: nn.Module, seen: Seen) -> None:
            block = next(blocks[module])
            if seen.turn is None or seen.content is None:
                return
            turn = seen.turn
            asked = next(((table, given) for cos, table, given in calls if cos is turn.cos), None)
            if asked is not None:
                table, given = asked
                found[block] = Rotation(
                    turn.own, table, given, turn.rest, turn.named, seen.content.turned, seen.scaling, seen.softcap
                )

        with watch_attention(blocks, take):
            ids = torch.tensor([choose_trial_tokens(model)], device=model.device)
            model.anatomy.decoder(input_ids=ids, use_cache=False)
    return found


Calls = list[tuple[torch.Tensor, nn.Module, dict[str, Any]]]


@contextmanager
def _watch_tables(decoder: nn.Module) -> Iterator[Calls]:
    """(cosines, module that gave them, what it was given but the positions) of every call in the decoder."""
    calls: Calls = []
    handles = [module.register_forward_hook(_note_call(calls), with_kwargs=True) for module in decoder.modules()]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def _note_call(calls: Calls) -> Callable[..., None]:
    def note(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        pair = isinstance(output, tuple) and len(output) == 2 and all(isinstance(one, torch.Tensor) for one in output)
        if pair and output[0].shape == output[1].shape:
            given = dict(inspect.signature(module.forward).bind(*args, **kwargs).arguments)
            if given.pop("position_ids", None) is not None:
                calls.append((output[0], module, {**given, **given.pop("kwargs", {})}))

    return note
