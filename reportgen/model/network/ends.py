"""Where the stream ends and logits begin: found by following what the last block gives, on a few tokens.

What stands between the last block and the unembedding is one norm in most families; some have several modules in a row
there, a factor, or nothing; some do what no module does. Names tell nothing of it: the tensors do.
"""

import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from reportgen.model.network.held import device_of_ids
from reportgen.numerics.distributions import softcap

_EQUAL = {torch.float32: 1e-4, torch.float64: 1e-4, torch.bfloat16: 3e-2, torch.float16: 3e-3}
"""Largest difference, as a share of the largest number, at which two tensors are one."""


class Times(nn.Module):
    """A factor that a model multiplies by outside of its modules."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """The product."""
        return rows * self.factor


class Decoder(nn.Module):
    """Runs tokens as passes ask for it, where a family's own decoder takes or gives something else."""

    def __init__(self, own: nn.Module, into_head: nn.Module | None) -> None:
        super().__init__()
        self.own = own
        self.into_head = into_head
        self._takes_cache = "past_key_values" in inspect.signature(own.forward).parameters

    def forward(self, input_ids: torch.Tensor, past_key_values: Any = None, use_cache: bool = True) -> Any:
        """The own decoder's output, its last hidden state as the unembedding reads it."""
        cache = {"past_key_values": past_key_values} if self._takes_cache else {}
        output = self.own(input_ids=input_ids, use_cache=use_cache, **cache)
        if self.into_head is not None:
            output.last_hidden_state = self.into_head(output.last_hidden_state)
        return output


class _Reached(Exception):
    """The matrix that a module was run for is about to be called."""


class UpTo(nn.Module):
    """What enters a matrix that a module calls, where the module does by itself what no module inside it does:
    RoBERTa's head bends its numbers by a function.
    """

    def __init__(self, around: nn.Module, matrix: nn.Module) -> None:
        super().__init__()
        self.around = around
        self.matrix = matrix

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows as the matrix would read them; the matrix itself is not computed."""
        entered: list[torch.Tensor] = []

        def stop(_module: nn.Module, args: tuple[torch.Tensor, ...]) -> None:
            entered.append(args[0])
            raise _Reached

        handle = self.matrix.register_forward_pre_hook(stop)
        try:
            self.around(rows)
        except _Reached:
            pass
        finally:
            handle.remove()
        return entered[0]


@dataclass(frozen=True)
class Ends:
    """What makes logits of the last block's output."""

    final_norm: nn.Module | None
    """From the last block's output to what the unembedding reads; None where no modules lead there."""
    decoder: nn.Module
    """Runs tokens to what the unembedding reads."""
    unembedding: nn.Linear
    logit_scale: float = 1.0
    softcap: float | None = None
    several_streams: bool = False
    """Whether the blocks hand on more than one row of numbers a token."""


@dataclass(frozen=True)
class _Call:
    module: nn.Module
    entered: torch.Tensor | None
    gave: torch.Tensor


@torch.inference_mode()
def ends_of(network: Any, decoder: nn.Module, blocks: Sequence[nn.Module], tokens: Sequence[int]) -> Ends | None:
    """The ends of a network, which runs the tokens once; None where no matrix gives its logits."""
    ids = torch.tensor([tokens], device=device_of_ids(network))
    with _record_calls(network, blocks, ids.device) as calls:
        logits = network(input_ids=ids, use_cache=False).logits.to(ids.device)
    if not bool(torch.isfinite(logits).all()):
        return named_ends_of(network, decoder)  # the proof tells where numbers cease to be finite
    behind = calls[next(at for at, call in enumerate(calls) if call.module is blocks[-1]) :]
    stream = behind[0].gave
    heads = [call for call in behind if _is_head(call.module, logits.shape[-1])]
    if not heads or heads[-1].entered is None:
        return None
    read, made = heads[-1].entered, _find_logit_transform(network.config.get_text_config(), heads[-1].gave, logits)
    handed = next((call.gave for call in behind if call.module is decoder), None)
    if made is None or handed is None:
        return None
    after = next(at for at, call in enumerate(behind) if call.module is decoder)
    unembedding: Any = heads[-1].module
    onward = _lead_to(unembedding, handed, read, behind[after + 1 :])
    if onward is None:
        return None
    several = stream.shape[:-1] != ids.shape
    leading = None if several else _lead_to(unembedding, stream, read, behind[1:])
    return Ends(
        final_norm=None if leading is None else _join_modules(leading),
        decoder=_wrap_decoder(decoder, _join_modules(onward) if onward else None),
        unembedding=unembedding,
        logit_scale=made[0],
        softcap=made[1],
        several_streams=several,
    )


def named_ends_of(network: Any, decoder: nn.Module) -> Ends | None:
    """What a network itself names as its unembedding, where no numbers lead to it; None where it has none."""
    head = network.get_output_embeddings()
    return None if head is None else Ends(None, decoder, head)


def _wrap_decoder(decoder: nn.Module, into_head: nn.Module | None) -> nn.Module:
    takes = inspect.signature(decoder.forward).parameters
    return decoder if into_head is None and "past_key_values" in takes else Decoder(decoder, into_head)


@contextmanager
def _record_calls(network: nn.Module, blocks: Sequence[nn.Module], device: torch.device) -> Iterator[list[_Call]]:
    """Every call of a module that is not inside a block, in the order in which they end; its tensors on one device."""
    inside = {module for block in blocks for module in block.modules()} - {blocks[-1]}
    calls: list[_Call] = []
    outside = [module for module in network.modules() if module not in inside and module is not network]
    handles = [module.register_forward_hook(_record_call(calls, device), with_kwargs=True) for module in outside]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def _record_call(calls: list[_Call], device: torch.device) -> Callable[..., None]:
    def hear(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        gave, entered = _first_numbers([output, *_values(output)]), _first_numbers([*args, *kwargs.values()])
        if gave is not None:
            calls.append(_Call(module, None if entered is None else entered.to(device), gave.to(device)))

    return hear


def _values(output: Any) -> Sequence[Any]:
    if isinstance(output, tuple | list):
        return output
    return tuple(output.values()) if hasattr(output, "values") and not isinstance(output, torch.Tensor) else ()


def _first_numbers(values: Sequence[Any]) -> torch.Tensor | None:
    return next((one for one in values if isinstance(one, torch.Tensor) and one.is_floating_point()), None)


def _is_head(module: nn.Module, vocabulary: int) -> bool:
    return isinstance(module, nn.Linear) and module.weight.shape[0] == vocabulary


def _lead_to(
    matrix: nn.Module, start: torch.Tensor, read: torch.Tensor, calls: Sequence[_Call]
) -> list[nn.Module] | None:
    """The modules that make of a tensor what a matrix reads; the last may be the one that calls it, up to there."""
    found = _modules(start, read, calls)
    if found is not None:
        return found
    around = (call for call in calls if call.module is not matrix and matrix in call.module.modules())
    for call in around:
        before = None if call.entered is None else _modules(start, call.entered, calls)
        if before is not None:
            return [*before, UpTo(call.module, matrix)]
    return None


def _modules(start: torch.Tensor, end: torch.Tensor, calls: Sequence[_Call]) -> list[nn.Module] | None:
    """The modules that make one tensor of another, each of what the one before it gave; None where none do."""
    if _hold_same_numbers(start, end):
        return []
    for at, call in enumerate(calls):
        if (
            call.entered is None
            or _hold_same_numbers(call.gave, call.entered)
            or not _hold_same_numbers(call.entered, start)
        ):
            continue
        rest = _modules(call.gave, end, calls[at + 1 :])
        if rest is not None:
            return [call.module, *rest]
    factor = _factor(start, end)
    return None if factor is None else [Times(factor)]


def _join_modules(modules: Sequence[nn.Module]) -> nn.Module:
    return modules[0] if len(modules) == 1 else nn.Sequential(*modules)  # of none: what gives back what it is given


def _hold_same_numbers(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two tensors hold the same numbers in the same order, whatever their axes and, at the end, their dtype."""
    if one is other or one.numel() != other.numel():
        return one is other
    return torch.equal(one.reshape(-1).to(other.dtype), other.reshape(-1))


def _factor(one: torch.Tensor, other: torch.Tensor) -> float | None:
    """By what one tensor is multiplied to give the other; None where no number does."""
    if one.numel() != other.numel():
        return None
    a, b = one.reshape(-1).double(), other.reshape(-1).double()
    factor = float(a @ b / (a @ a).clamp_min(1e-30))
    return factor if factor > 0 and _measure_gap((factor, None), a, b) <= _EQUAL[one.dtype] else None


def _find_logit_transform(config: Any, given: torch.Tensor, logits: torch.Tensor) -> tuple[float, float | None] | None:
    """(scale, softcap) that make logits of what the unembedding gave; None where none do.

    What a family is known to call them goes first: logits may be too small to tell one number from another.
    """
    if given.numel() != logits.numel():
        return None
    known = (_logit_scale(config), getattr(config, "final_logit_softcapping", None))
    if known == (1.0, None) and torch.equal(given.reshape(-1), logits.reshape(-1)):
        return known  # nothing can be nearer, and each trial takes as long as a pass where the vocabulary is large
    z, wanted = given.reshape(-1).double(), logits.reshape(-1).double()
    if known != (1.0, None) and _measure_gap(known, z, wanted) <= _EQUAL[given.dtype]:
        return known
    made = min([(1.0, None), *_candidates(config)], key=lambda made: _measure_gap(made, z, wanted))
    if _measure_gap(made, z, wanted) <= _EQUAL[given.dtype]:
        return made
    factor = _factor(given, logits)
    return None if factor is None else (factor, None)


def _candidates(config: Any) -> Iterator[tuple[float, float | None]]:
    named = vars(config).items()
    numbers = {name: float(value) for name, value in named if type(value) in (int, float) and 0 < value < math.inf}
    for name, value in numbers.items():
        if "cap" in name:
            yield 1.0, value
        yield value, None
        yield 1 / value, None


def _measure_gap(made: tuple[float, float | None], given: torch.Tensor, wanted: torch.Tensor) -> float:
    scale, cap = made
    found = softcap(given * scale, cap)
    return float((found - wanted).abs().max() / wanted.abs().max().clamp_min(1e-30))


def _logit_scale(config: Any) -> float:
    """Cohere multiplies its logits by logit_scale, Granite divides them by logits_scaling."""
    factor = getattr(config, "logit_scale", None)
    divisor = getattr(config, "logits_scaling", None)
    return float(1.0 if factor is None else factor) / float(1.0 if divisor is None else divisor)
