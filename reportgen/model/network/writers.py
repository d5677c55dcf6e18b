"""What adds to the residual stream in a block: attention, or what stands in its place, and the MLP.

Named parts are tried first. Where they do not add up to what a block adds, its parts are found by what does: outputs of
its modules, times a number each, whose sum is the difference that the block makes.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import torch
from torch import nn

from reportgen.model.network.held import device_of_ids
from reportgen.model.network.quantise import is_packed

_ATTENTION_NAMES = ("self_attn", "attn", "attention", "self_attention")
_MLP_NAMES = ("mlp", "feed_forward", "ffn", "block_sparse_moe", "moe")
_OUT_NAMES = ("o_proj", "out_proj", "dense", "c_proj", "wo")
_DOWN_NAMES = ("down_proj", "dense_4h_to_h", "c_proj", "fc2", "fc_out", "w2")
_NORMS_AFTER = (
    ("post_attention_layernorm", "post_feedforward_layernorm"),
    ("post_self_attn_layernorm", "post_mlp_layernorm"),
)
"""Norms between attention, or the MLP, and the residual stream: where a block has both of a pair. The first name
alone is that of a norm before the MLP."""
_MOST = 3
"""Outputs that add up to what a block adds, at most."""
_LEFT = {torch.float32: 1e-4, torch.float64: 1e-4, torch.bfloat16: 3e-2, torch.float16: 5e-3}
"""Length of what a sum leaves of a block's difference, as a share of its length: rounding of the dtype."""


@dataclass(frozen=True)
class Writer:
    """What adds to the residual stream: the attention of a block, or its MLP."""

    source: nn.Module
    """Its output, normed and scaled, is what is added."""
    projection: nn.Module | None
    """The matrix that it ends with; None for experts, who have one each."""
    norm: nn.Module | None
    """The norm between it and the stream, where an architecture has one."""
    scale: float
    """Factor of what is added; 1 for most architectures."""
    side_modules: tuple[tuple[nn.Module, float], ...] = ()
    """Modules that ran before it, whose outputs, times a number each, are added together with its own."""

    @property
    def gives(self) -> nn.Module:
        """The module whose output, scaled, is what is added."""
        return self.norm or self.source


def hook_side_writers(writer: Writer) -> tuple[Callable[[], torch.Tensor | None], list[Any]]:
    """What tells, when a writer has run, what its side modules wrote (None if it has none), and the hooks for it."""
    given: dict[int, torch.Tensor] = {}

    def keep(at: int, scale: float) -> Callable[..., None]:
        def hook(_module: nn.Module, _args: Any, output: Any) -> None:
            numbers = _numbers(output)
            assert numbers is not None
            given[at] = numbers * scale

        return hook

    handles = [module.register_forward_hook(keep(at, scale)) for at, (module, scale) in enumerate(writer.side_modules)]
    return lambda: torch.stack(list(given.values())).sum(0) if given else None, handles


def named_attention_writer(block: nn.Module) -> Writer | None:
    """By the names that families give; None where there is none."""
    attention = _find_child(block, _ATTENTION_NAMES)
    projection = _find_matrix(_find_child(attention, _OUT_NAMES)) if attention is not None else None
    if projection is None:
        return None
    # Not the module around it: BLOOM's gives what it adds together with the stream that it is added to.
    return Writer(projection, projection, _find_norms_after(block)[0], _residual_scale(block))


def named_mlp_writer(block: nn.Module) -> Writer | None:
    """By the names that families give; None where there is none."""
    mlp = _find_child(block, _MLP_NAMES)
    projection = _find_matrix(
        _find_child(block if mlp is None else mlp, _DOWN_NAMES)
    )  # OPT's are children of the block
    source = mlp if projection is None else projection
    if source is None:
        return None
    return Writer(source, projection, _find_norms_after(block)[1], _residual_scale(block))


def _find_child(module: nn.Module, names: Sequence[str]) -> nn.Module | None:
    """The first child of one of these names."""
    children = dict(module.named_children())
    return next((children[name] for name in names if name in children), None)


def _find_matrix(projection: nn.Module | None) -> nn.Module | None:
    """The matrix itself: Moshi keeps it in a module around it."""
    if projection is None or hasattr(projection, "weight") or is_packed(projection):
        return projection
    inside = [module for module in projection.modules() if isinstance(module, nn.Linear)]
    return inside[0] if len(inside) == 1 else None


def _find_norms_after(block: nn.Module) -> tuple[nn.Module | None, nn.Module | None]:
    children = dict(block.named_children())
    for names in _NORMS_AFTER:
        if all(name in children for name in names):
            return children[names[0]], children[names[1]]
    return None, None


def _residual_scale(block: nn.Module) -> float:
    """Granite multiplies what is added by residual_multiplier."""
    return float(getattr(block, "residual_multiplier", 1.0))


@dataclass(frozen=True)
class BlockWriters:
    """The writers of a block, or what is in the way."""

    attention: Writer | None = None
    mlp: Writer | None = None
    carries: float = 1.0
    """By what the block multiplies the stream that enters it, before it adds."""
    reason: str = ""


@dataclass(frozen=True)
class _Call:
    """One call of a module of a block."""

    module: nn.Module
    entered: torch.Tensor | None
    gave: torch.Tensor
    args: tuple[Any, ...]
    """All that it was called with by position."""


@dataclass
class _BlockRecord:
    """What passed through a block."""

    calls: list[_Call]
    entered: torch.Tensor
    gave: torch.Tensor


@torch.inference_mode()
def writers_of(decoder: nn.Module, blocks: Sequence[nn.Module], tokens: Sequence[int]) -> list[BlockWriters]:
    """(block) what adds up to what it adds, on a few tokens that are run through the decoder."""
    ids = torch.tensor([tokens], device=device_of_ids(decoder))
    with _record_blocks(blocks) as heard:
        decoder(input_ids=ids, use_cache=False)
    return [_find_writers(heard[block]) for block in blocks]


@contextmanager
def _record_blocks(blocks: Sequence[nn.Module]) -> Iterator[dict[nn.Module, _BlockRecord]]:
    heard: dict[nn.Module, _BlockRecord] = {}
    handles = []
    for block in blocks:
        calls: list[_Call] = []
        inside = [module for module in block.modules() if module is not block]
        handles += [module.register_forward_hook(_note_call(calls), with_kwargs=True) for module in inside]
        handles.append(block.register_forward_hook(_close_block(heard, calls), with_kwargs=True))
    try:
        yield heard
    finally:
        for handle in handles:
            handle.remove()


def _note_call(calls: list[_Call]) -> Callable[..., None]:
    def note(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        gave = _numbers(output)
        if gave is not None:
            calls.append(_Call(module, _numbers([*args, *kwargs.values()]), gave, args))

    return note


def _close_block(heard: dict[nn.Module, _BlockRecord], calls: list[_Call]) -> Callable[..., None]:
    def close(block: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        entered, gave = _numbers([*args, *kwargs.values()]), _numbers(output)
        assert entered is not None
        assert gave is not None
        heard[block] = _BlockRecord(calls, entered.to(gave.device), gave)  # a block before may be elsewhere

    return close


def _numbers(output: Any) -> torch.Tensor | None:
    """The first tensor of numbers among what a module takes or gives."""
    values = output if isinstance(output, tuple | list) else [output]
    return next((one for one in values if isinstance(one, torch.Tensor) and one.is_floating_point()), None)


def _find_writers(heard: _BlockRecord) -> BlockWriters:
    parts = _parts(heard)
    outputs = [part.gave for part in parts]
    found = _sum_of(outputs, heard.gave.double() - heard.entered.double(), heard.gave.dtype)
    carries = 1.0
    if found is None:
        whole = _sum_of([heard.entered, *outputs], heard.gave, heard.gave.dtype, most=_MOST + 1)
        if whole is None or 0 not in whole:
            return BlockWriters(reason="adds to the stream what is no sum of what its parts give")
        carries = whole.pop(0)
        found = {at - 1: factor for at, factor in whole.items()}
    summed = [(parts[at], scale) for at, scale in found.items()]
    mlp = [one for one in summed if _sees_one_place(one[0], heard.calls)]
    attention = [one for one in summed if one not in mlp]
    return BlockWriters(_writer(attention, heard.calls), _writer(mlp, heard.calls), carries)


def _parts(heard: _BlockRecord) -> list[_Call]:
    """What gave rows like those of the stream, the innermost of those that gave the same."""
    parts: list[_Call] = []
    for call in heard.calls:
        alike = call.gave.numel() == heard.gave.numel() and call.gave.shape[-1] == heard.gave.shape[-1]
        if alike and bool(call.gave.any()) and not any(_hold_same_numbers(call.gave, part.gave) for part in parts):
            parts.append(call)
    return parts


def _hold_same_numbers(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one is other or (one.numel() == other.numel() and torch.equal(one.reshape(-1), other.reshape(-1)))


def _sum_of(
    outputs: Sequence[torch.Tensor], wanted: torch.Tensor, dtype: torch.dtype, most: int = _MOST
) -> dict[int, float] | None:
    """Index -> factor of the fewest outputs whose sum is what is wanted; None where none add up to it."""
    if not outputs:
        return None
    columns, target = torch.stack([one.reshape(-1).double() for one in outputs]), wanted.reshape(-1).double()
    products, along, length = columns @ columns.T, columns @ target, float(target @ target)
    for count in range(1, most + 1):
        for some in combinations(range(len(outputs)), count):
            factors, singular = torch.linalg.solve_ex(products[some, :][:, some], along[list(some)])
            left = length - float(factors @ along[list(some)])
            if not int(singular) and left <= _LEFT[dtype] ** 2 * length and bool((factors > 0).all()):
                return {at: _snap_to_one(float(factor), dtype) for at, factor in zip(some, factors, strict=True)}
    return None


def _snap_to_one(factor: float, dtype: torch.dtype) -> float:
    return 1.0 if abs(factor - 1.0) <= _LEFT[dtype] else factor


def _sees_one_place(part: _Call, calls: Sequence[_Call]) -> bool:
    """Whether the outermost module that a part is made in reads every position by itself, as an MLP does."""
    origin = _find_call_before_norm(part, calls)
    around = [call for call in calls if any(origin.module is inside for inside in call.module.modules())][-1]
    if around.entered is None:
        return False
    try:
        alone = _numbers(around.module(*_keep_last_place(around)))
    except Exception:  # attention wants more than rows, and every family says so in another way
        return False
    whole = around.gave.reshape(*around.entered.shape[:2], -1)[:, -1:].reshape(-1)
    if alone is None or alone.numel() != whole.numel():
        return False
    return bool(torch.allclose(alone.reshape(-1), whole, rtol=1e-2, atol=1e-2 * float(whole.abs().max())))


def _keep_last_place(call: _Call) -> list[Any]:
    """What a module is called with, of the last position alone: some are given the stream, too, to add to it."""
    assert call.entered is not None
    if not call.args:
        return [call.entered[:, -1:]]
    alike = call.entered.shape[:2]
    return [one[:, -1:] if isinstance(one, torch.Tensor) and one.shape[:2] == alike else one for one in call.args]


def _find_call_before_norm(part: _Call, calls: Sequence[_Call]) -> _Call:
    """What a norm after attention, or after the MLP, was given; the part itself where it is no norm."""
    entered = part.entered
    if not _is_norm(part.module) or entered is None:
        return part
    return next((call for call in calls if call is not part and _hold_same_numbers(call.gave, entered)), part)


def _is_norm(module: nn.Module) -> bool:
    parameters = list(module.parameters())
    return bool(parameters) and all(parameter.ndim < 2 for parameter in parameters)


def _writer(summed: Sequence[tuple[_Call, float]], calls: Sequence[_Call]) -> Writer | None:
    """One writer of the parts that write side by side; None of none."""
    if not summed:
        return None
    *others, (part, scale) = summed
    origin = _find_call_before_norm(part, calls)
    is_matrix = getattr(getattr(origin.module, "weight", None), "ndim", 0) == 2 or is_packed(origin.module)
    matrix = origin.module if is_matrix else None
    norm = None if origin is part else part.module
    return Writer(origin.module, matrix, norm, scale, tuple((other.module, factor) for other, factor in others))
