"""Which experts of a block each token is routed to, seen while a pass runs.

Experts are known by what they are: a module with one matrix an expert (a tensor of three dims), which is handed the
numbers of the experts that are to compute, or (Llama 4) one row a token and expert. What their numbers were chosen by
is what `topk` was given when it gave them: the numbers that the model compared, a bias and masked groups included.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from reportgen.model.needs import Site

ROUTING = frozenset({Site.ROUTES, Site.ROUTER_SCORES, Site.GATES})
"""Sites that a router is needed for."""
GATES: Mapping[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "softmax": lambda logits: logits.softmax(-1),
    "sigmoid": lambda logits: logits.sigmoid(),
}
"""How routers make weights of their logits."""


@dataclass(frozen=True)
class Router:
    """Where a block routes its tokens."""

    experts: nn.Module
    gate: str
    """How it weighs experts, one of `GATES`; empty where its weights are of none of them."""


@dataclass(frozen=True)
class RouterCall:
    """What one pass through a router gave."""

    chosen: torch.Tensor
    """(token x expert) true where the expert computes."""
    scores: torch.Tensor
    """(token x expert) what was compared, the highest chosen; -inf where an expert may not be."""
    logits: torch.Tensor | None
    """(token x expert) what the router's matrix gave; None where none was seen."""
    weights: torch.Tensor | None
    """(token x expert) what each chosen expert's output is multiplied by, NaN for others; None where it is not seen."""

    def read_gates(self, gate: str) -> torch.Tensor:
        """(token x expert) the router's distribution: a softmax, or the sigmoids over their sum."""
        assert self.logits is not None
        weights = GATES[gate](self.logits.float())
        return weights / weights.sum(-1, keepdim=True)


Take = Callable[[nn.Module, RouterCall | None], None]
"""Receives the experts of a block, and what was handed to them; None where that is not understood."""


def find_experts(block: nn.Module) -> list[nn.Module]:
    """The modules of a block that hold a matrix per expert; those of convolutions are of three dims, too."""
    return [
        module
        for module in block.modules()
        if not isinstance(module, nn.Conv1d)
        and any(parameter.ndim == 3 and len(parameter) > 1 for parameter in module.parameters(recurse=False))
    ]


@contextmanager
def watch_routers(experts: Sequence[nn.Module], take: Take) -> Iterator[None]:
    """Hands what these modules are told to compute to `take`; nothing is left behind, also after an exception."""
    seen = _Choices()

    def look(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        take(module, _read_call([*args, *kwargs.values()], seen))
        seen.forget()

    handles = [module.register_forward_pre_hook(look, with_kwargs=True) for module in experts]
    try:
        with seen:
            yield
    finally:
        for handle in handles:
            handle.remove()


@dataclass(frozen=True)
class _Choice:
    """One call of `topk`."""

    scores: torch.Tensor
    """(token x expert)"""
    indices: torch.Tensor
    """(token x k)"""

    @property
    def chosen(self) -> torch.Tensor:
        """(token x expert)"""
        return torch.zeros_like(self.scores, dtype=torch.bool).scatter_(1, self.indices, value=True)


class _Choices(TorchFunctionMode):
    """Notes what is chosen by `topk`, and what matrices give, since experts last computed."""

    def __init__(self) -> None:
        super().__init__()
        self.choices: list[_Choice] = []
        self.products: list[torch.Tensor] = []

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = func(*args, **(kwargs or {}))
        if func in (torch.topk, torch.Tensor.topk) and isinstance(args[0], torch.Tensor):
            rows = args[0].shape[-1]
            self.choices.append(
                _Choice(args[0].reshape(-1, rows), given[1].reshape(len(args[0].reshape(-1, rows)), -1))
            )
        elif func is nn.functional.linear:
            self.products.append(given)
        return given

    def forget(self) -> None:
        """Lets go of what was noted."""
        self.choices.clear()
        self.products.clear()

    def find_logits(self, tokens: int, experts: int) -> torch.Tensor | None:
        """(token x expert) what the last matrix gave that has a number per expert."""
        fitting = (one for one in reversed(self.products) if one.shape[-1] == experts)
        return next((one.reshape(-1, experts) for one in fitting if one.numel() == tokens * experts), None)


def _read_call(given: Sequence[Any], seen: _Choices) -> RouterCall | None:
    tensors = [one for one in given if isinstance(one, torch.Tensor) and one.ndim >= 2]
    indices = next((one for one in tensors if not one.is_floating_point() and one.dtype != torch.bool), None)
    if indices is None:
        return _read_rows(tensors, seen)
    indices = indices.reshape(-1, indices.shape[-1])
    choice = next((one for one in reversed(seen.choices) if torch.equal(one.indices, indices)), None)
    weights = next((one for one in tensors if one.is_floating_point() and one.numel() == indices.numel()), None)
    if choice is not None:
        scores = choice.scores
    else:
        compared = _find_compared(indices, seen)
        if compared is None:
            return None
        scores = compared
    chosen = torch.zeros_like(scores, dtype=torch.bool).scatter_(1, indices, value=True)
    logits = seen.find_logits(*scores.shape)
    return RouterCall(chosen, scores, logits, None if weights is None else _spread(weights, indices, scores))


def _find_compared(indices: torch.Tensor, seen: _Choices) -> torch.Tensor | None:
    """What the last matrix gave that has a row a token of which the experts have the highest: some choose one expert
    after another, without `topk`.
    """
    for product in reversed(seen.products):
        rows = product.reshape(-1, product.shape[-1])
        if len(rows) == len(indices) and rows.shape[-1] > int(indices.max()):
            chosen = torch.zeros_like(rows, dtype=torch.bool).scatter_(1, indices, value=True)
            if holds_highest(chosen, rows):
                return rows
    return None


def holds_highest(chosen: torch.Tensor, scores: torch.Tensor) -> bool:
    """Whether no token has an expert that was left out with a higher score than one that was chosen."""
    least = scores.masked_fill(~chosen, float("inf")).amin(-1)
    return bool((least >= scores.masked_fill(chosen, float("-inf")).amax(-1)).all())


def _read_rows(tensors: Sequence[torch.Tensor], seen: _Choices) -> RouterCall | None:
    """Of experts that get a row for every token each, expert by expert: those of tokens that are not theirs are 0."""
    rows = next((one.reshape(-1, one.shape[-1]) for one in tensors if one.is_floating_point()), None)
    for choice in reversed(seen.choices):
        if rows is not None and len(rows) == choice.scores.numel():
            entered = rows.ne(0).any(-1).reshape(choice.scores.shape[1], -1).T
            if torch.equal(entered, choice.chosen):
                return RouterCall(entered, choice.scores, seen.find_logits(*choice.scores.shape), None)
    return None


def _spread(weights: torch.Tensor, indices: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """(token x expert) weights of (token x k) chosen ones, NaN elsewhere."""
    spread = torch.full(scores.shape, float("nan"), device=weights.device)
    return spread.scatter_(1, indices, weights.reshape(indices.shape).float())
