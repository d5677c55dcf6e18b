"""Where the tokens of a model are routed to experts: found on a few tokens, and proven by what experts then do.

A proof of each router: the experts with the highest scores are those whose numbers were handed on, and with the
matrices of one of them set to 0, the tokens that come out otherwise are those that were routed to it. Cost: one short
pass, and two short calls of the experts of each block, once a model.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from reportgen.model.capture.trial import TOLERANCE, choose_trial_tokens
from reportgen.model.needs import Site
from reportgen.model.network.loaded import LoadedModel
from reportgen.model.network.routers import GATES, Router, RouterCall, find_experts, holds_highest, watch_routers

NO_EXPERTS = "no routed experts were found in its blocks"


@dataclass
class _Heard:
    """One call of a block's experts."""

    call: RouterCall | None
    given: tuple[tuple[Any, ...], dict[str, Any]]


def reason_against_routing(model: LoadedModel, site: Site, blocks: Sequence[int] | None = None) -> str:
    """Why the routes of a model, or of some of its blocks, cannot be seen; empty where they can."""
    reason = _reason_against(model, site, blocks)
    return model.say_not_measurable(reason) if reason else ""


def _reason_against(model: LoadedModel, site: Site, blocks: Sequence[int] | None) -> str:
    settle_routers(model)
    routers = model.anatomy.routers
    wanted = range(model.layers) if blocks is None else blocks
    reasons = [model.no_routes[block] for block in wanted if block in model.no_routes]
    if reasons:
        return reasons[0]
    routed = [block for block in wanted if routers[block] is not None]
    if not routed:
        return NO_EXPERTS
    if blocks is not None and len(routed) < len(wanted):
        return f"block {min(set(wanted) - set(routed))} has no routed experts"
    without = [block for block in routed if not getattr(routers[block], "gate", "")]
    if site is Site.GATES and without:
        return f"the router of block {without[0]} weighs experts neither by a softmax nor by a sigmoid of its logits"
    return ""


@torch.inference_mode()
def settle_routers(model: LoadedModel) -> None:
    """Finds the routers of all blocks, and proves each: once."""
    if model.anatomy.routers:
        return
    held = {block: find_experts(module) for block, module in enumerate(model.anatomy.blocks)}
    heard = _hear(model, [one for experts in held.values() for one in experts])
    routers: list[Router | None] = [None] * model.layers
    for block, candidates in held.items():
        called = [one for one in candidates if any(heard_one.call for heard_one in heard.get(one, ()))]
        if reason := _reason_against_block(candidates, called, heard):
            model.no_routes[block] = reason.format(block=block)
        elif called:
            call = heard[called[0]][0].call
            assert call is not None
            routers[block] = Router(called[0], _find_gate(call, model.dtype))
    model.anatomy = replace(model.anatomy, routers=tuple(routers))


def _hear(model: LoadedModel, experts: Sequence[nn.Module]) -> dict[nn.Module, list[_Heard]]:
    """What was handed to each module of experts, call by call, on a few tokens."""
    heard: dict[nn.Module, list[_Heard]] = {}
    given: list[Any] = []

    def keep(_module: nn.Module, args: Any, kwargs: Any) -> None:
        given[:] = [args, kwargs]

    def take(module: nn.Module, call: RouterCall | None) -> None:
        heard.setdefault(module, []).append(_Heard(call, (given[0], given[1])))

    handles = [module.register_forward_pre_hook(keep, with_kwargs=True) for module in experts]
    try:
        with watch_routers(experts, take):
            ids = torch.tensor([choose_trial_tokens(model)], device=model.device)
            model.anatomy.decoder(input_ids=ids, use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    return heard


def _reason_against_block(
    candidates: Sequence[nn.Module], called: Sequence[nn.Module], heard: Mapping[nn.Module, Sequence[_Heard]]
) -> str:
    """Why the routes of a block cannot be seen; empty where they can, or where it has none."""
    names = ", ".join(dict.fromkeys(type(one).__name__ for one in called or candidates))
    if len(called) > 1:
        return f"block {{block}} routes its tokens {len(called)} times ({names})"
    if candidates and not called:
        return f"what chooses among the experts of block {{block}} ({names}) is not seen"
    return _reason_against_router(called[0], heard[called[0]]) if called else ""


def _reason_against_router(experts: nn.Module, calls: Sequence[_Heard]) -> str:
    name = type(experts).__name__
    if len(calls) != 1:
        return f"the experts of block {{block}} ({name}) compute {len(calls)} times in one pass"
    call = calls[0].call
    assert call is not None
    if len(set(call.chosen.sum(-1).tolist())) != 1:
        return "tokens are routed to different numbers of experts in block {block}"
    if not holds_highest(call.chosen, call.scores):
        return "the experts that compute in block {block} are not those with the highest scores"
    return _reason_against_experts(experts, call, calls[0].given)


def _reason_against_experts(experts: nn.Module, call: RouterCall, given: tuple[Any, Any]) -> str:
    """Without one expert, tokens routed to it come out otherwise and no others do: tried with the one that has most
    weight, the one of those that not every token is routed to, and the one that fewest are routed to.

    A number format may round away what an expert of little weight gives: of the tokens routed to that which has most
    weight, some must move.
    """
    counts = call.chosen.sum(0)
    share = counts if call.weights is None else call.weights.nan_to_num().sum(0)
    strong = int(share.argmax())
    partly = int(torch.where(counts < len(call.chosen), share, 0).argmax())
    held = [parameter for parameter in experts.parameters(recurse=False) if parameter.ndim == 3]
    args, kwargs = given
    with_it = _rows(experts(*args, **kwargs))
    for one in dict.fromkeys((strong, partly, int(counts[: len(held[0])].argmin()))):
        if one >= len(held[0]):
            return "block {block} routes tokens to more experts than it has matrices of"
        with _without_expert(held, one):
            without = _rows(experts(*args, **kwargs))
        changed = (with_it != without).any(-1).reshape(-1, len(call.chosen)).any(0)
        own = call.chosen[:, one]
        if bool((changed & ~own).any()) or (one == strong and not bool(changed.any())):
            return f"expert {one} of block {{block}} computes for other tokens than those routed to it"
    return ""


def _rows(output: Any) -> torch.Tensor:
    """(row x width) what experts give."""
    found: torch.Tensor = output[0] if isinstance(output, tuple) else output
    return found.reshape(-1, found.shape[-1])


@contextmanager
def _without_expert(held: Sequence[nn.Parameter], one: int) -> Iterator[None]:
    """One expert's matrices are 0 meanwhile."""
    kept = [parameter.data[one].clone() for parameter in held]
    try:
        for parameter in held:
            parameter.data[one].zero_()
        yield
    finally:
        for parameter, numbers in zip(held, kept, strict=True):
            parameter.data[one].copy_(numbers)


def _find_gate(call: RouterCall, dtype: torch.dtype) -> str:
    """By which function of its logits a router weighs the experts it has chosen; empty where by none."""
    if call.logits is None or call.weights is None:
        return ""
    apart = {name: _measure_apart(call.weights, gate(call.logits.float())) for name, gate in GATES.items()}
    best = min(apart, key=apart.__getitem__)
    return best if apart[best] <= TOLERANCE[dtype] else ""


def _measure_apart(weights: torch.Tensor, wanted: torch.Tensor) -> float:
    """How far weights are from being proportional to others: by one factor per token, or, of one expert a token, by
    one factor for all.
    """
    factors = weights / wanted
    each = factors if int(torch.isfinite(factors[0]).sum()) > 1 else factors.reshape(1, -1)
    low = torch.where(torch.isfinite(each), each, float("inf")).amin(-1)
    high = torch.where(torch.isfinite(each), each, float("-inf")).amax(-1)
    return float(((high - low) / high.abs().clamp_min(1e-30)).max())
