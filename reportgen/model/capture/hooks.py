"""Hooks that hand what passes through a model to whoever wants it, row by row of a batch."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from reportgen.model.needs import SEEN_ALONE, Need, Positions, Site, Unmeasurable
from reportgen.model.network.anatomy import Anatomy
from reportgen.model.network.attention import blocks_in_turn
from reportgen.model.network.routers import ROUTING, Router, RouterCall, watch_routers
from reportgen.model.network.scores import Seen, watch_attention
from reportgen.model.network.writers import hook_side_writers

_BY_HEAD = frozenset({Site.ATTENTION, *SEEN_ALONE})
"""Sites whose first axis, of one row, is the head."""
_MASKED = frozenset({Site.SCORES, Site.ROUTER_SCORES})
"""Sites that are -inf where something may not be."""


Finite = tuple[str, torch.Tensor]
"""Where a tensor was seen, and its least or largest number, which stays on the device."""


class NotFiniteError(ArithmeticError):
    """A pass gave NaN or infinity: its numbers would be none."""


@dataclass(frozen=True)
class Layout:
    """Which rows of a batch stand where, at each depth of the model.

    Rows that are edited may join midway: above the layer of its first edit a row is a row of its own, below it is what
    the clean row is.
    """

    clean: int = 1
    """Rows at the head of the batch that are not edited."""
    starts: tuple[int, ...] = ()
    """(edited row) the layer at which each becomes a row of its own, ascending."""
    midway: bool = True
    """False where every row is there from the beginning."""

    def rows(self, layer: int) -> int:
        """Rows of the batch behind a layer; those that enter the model are behind layer -1."""
        return self.clean + (bisect_right(self.starts, layer) if self.midway else len(self.starts))

    def count_joining(self, layer: int) -> int:
        """Rows that join at a layer."""
        return self.starts.count(layer) if self.midway else 0

    def place(self, row: int, layer: int) -> int:
        """Where an edited row, counted from 0, stands behind a layer; row 0 is the clean one's where there is none."""
        if not self.starts or (self.midway and self.starts[row] > layer):
            return 0
        return self.clean + row


class Receiver:
    """Hands what a hook sees of one row to one need's reducer."""

    def __init__(
        self,
        want: tuple[Need, int],
        states: dict[tuple[Need, int], Any],
        *,
        step: int,
        first: int,
        again: int = 0,
        layout: Layout | None = None,
        row: int = 0,
        device: torch.device | None = None,
    ) -> None:
        self.need = want[0]
        self._want = want
        self._states = states
        self._step = step
        self._first = first  # position of the first token of this step
        self._again = again  # tokens at its beginning that passed in an earlier step, where no cache remembers them
        self._layout = layout or Layout()
        self._row = row
        self._device = device  # where reducers are given what was seen; None for where that is
        self.seen: list[Finite] = []

    def wants(self, site: Site, index: int) -> bool:
        """Whether its need is of this site, in this layer or block."""
        return self.need.site is site and (self.need.indices is None or index in self.need.indices)

    def take(self, site: Site, index: int, value: torch.Tensor, *, behind: int | None = None) -> None:
        """Value: (row x position x width), or (row x head x query x key); of SCORES and VALUES without the rows.

        `behind` is the layer after which it was seen, where that is not `index`.
        """
        if not self.wants(site, index):
            return
        if site not in SEEN_ALONE:
            layer = index if behind is None else behind
            value = shape_by_row(value, self._layout.rows(layer))[self._layout.place(self._row, layer)]
        axis = 1 if site in _BY_HEAD else 0
        again = 0 if site is Site.VALUES else self._again  # values of all tokens are read in every step
        value = value.narrow(axis, again, value.shape[axis] - again)
        chosen = _select_positions(value, self.need.positions, axis, self._first + again)
        if chosen is not None:
            chosen = chosen if self._device is None else chosen.to(self._device)
            # Two numbers tell: NaN is handed on by both. A mask of the whole would cost a quarter of its memory.
            # Scores are -inf where nothing is seen or chosen: the largest alone tells.
            least, largest = torch.aminmax(chosen)
            self.seen += [
                (f"{site.value} {index}", end) for end in ([largest] if site in _MASKED else [least, largest])
            ]
            state = self._states[self._want]
            self._states[self._want] = self.need.reducer.update(state, chosen, index=index, step=self._step)


def check_finite(seen: Sequence[Finite]) -> None:
    """Refuses what was not finite: once for all of it, since an accelerator waits for each answer.

    Raises:
        NotFiniteError: names the first that was not.
    """
    if not seen or bool(torch.isfinite(torch.stack([end for _, end in seen])).all()):
        return
    told, end = next((told, end) for told, end in seen if not bool(torch.isfinite(end)))
    raise NotFiniteError(f"{told} holds values that are not finite, in {end.dtype}")


def shape_by_row(value: torch.Tensor, rows: int) -> torch.Tensor:
    """(row x position x width): some modules lose count of the rows, and have one position after another."""
    return value if value.ndim > 2 else value.reshape(rows, -1, value.shape[-1])


def _select_positions(value: torch.Tensor, positions: Positions, axis: int, first: int) -> torch.Tensor | None:
    """The rows of the wanted positions among those of this step, which begin at position `first`."""
    if positions == "all":
        return value
    if positions == "last":
        return value.narrow(axis, value.shape[axis] - 1, 1)
    here = [position - first for position in positions if 0 <= position - first < value.shape[axis]]
    return value.index_select(axis, torch.tensor(here, device=value.device)) if here else None


@contextmanager
def hook_receivers(anatomy: Anatomy, receivers: Sequence[Receiver]) -> Iterator[None]:
    """Hooks on the blocks whose tensors somebody wants; removed also after an exception."""
    handles = []
    try:
        if any(r.need.site is Site.ATTENTION for r in receivers):
            for attention, blocks in blocks_in_turn(anatomy.attentions).items():
                handles.append(attention.register_forward_hook(_on_attention(receivers, blocks)))
        for index, block in enumerate(anatomy.blocks):
            if index == 0 and any(r.wants(Site.RESIDUAL, 0) for r in receivers):
                handles.append(block.register_forward_pre_hook(_on_input(receivers), with_kwargs=True))
            if any(r.wants(Site.RESIDUAL, index + 1) for r in receivers):
                handles.append(block.register_forward_hook(_on_output(receivers, index + 1)))
            for site, writer in (
                (Site.ATTENTION_WRITE, anatomy.attention_writers[index]),
                (Site.MLP_WRITE, anatomy.mlp_writers[index]),
            ):
                if writer is not None and any(r.wants(site, index) for r in receivers):
                    read_others, kept = hook_side_writers(writer)
                    hook = _on_write(receivers, site, index, writer.scale, read_others)
                    handles += [*kept, writer.gives.register_forward_hook(hook)]
            for site, writer in (
                (Site.HEADS, anatomy.attention_writers[index]),
                (Site.MEMORIES, anatomy.mlp_writers[index]),
            ):
                if writer is None or writer.projection is None or not any(r.wants(site, index) for r in receivers):
                    continue
                handles.append(
                    writer.projection.register_forward_pre_hook(_on_projection_input(receivers, site, index))
                )
            activation = anatomy.activation_functions[index] if anatomy.activation_functions else None
            if activation is not None and any(r.wants(Site.ACTIVATIONS, index) for r in receivers):
                handles.append(activation.register_forward_hook(_on_activation(receivers, index)))
        with _take_scores(anatomy, receivers), _take_routes(anatomy, receivers):
            yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _take_scores(anatomy: Anatomy, receivers: Sequence[Receiver]) -> Iterator[None]:
    """What attention computes in the blocks that somebody wants it of; nothing is touched where nobody does."""
    if not any(r.need.site in SEEN_ALONE for r in receivers):
        yield
        return
    blocks = blocks_in_turn(anatomy.attentions)

    def take(module: nn.Module, seen: Seen) -> None:
        index = next(blocks[module])
        for receiver in receivers:
            if receiver.wants(Site.SCORES, index):
                receiver.take(Site.SCORES, index, seen.scores)
            receiver.take(Site.VALUES, index, seen.values)
            for site in (Site.QUERIES, Site.KEYS):
                if receiver.wants(site, index) and seen.content is not None:
                    receiver.take(site, index, seen.content.query if site is Site.QUERIES else seen.content.key)

    with watch_attention(blocks, take):
        yield


@contextmanager
def _take_routes(anatomy: Anatomy, receivers: Sequence[Receiver]) -> Iterator[None]:
    """What the routers decide that somebody wants; nothing is touched where nobody does."""
    wanted = {
        router.experts: (block, router)
        for block, router in enumerate(anatomy.routers)
        if router is not None and any(r.wants(site, block) for r in receivers for site in ROUTING)
    }
    if not wanted:
        yield
        return

    def take(module: nn.Module, call: RouterCall | None) -> None:
        block, router = wanted[module]
        if call is None:
            raise Unmeasurable(f"what chooses among the experts of block {block} is not seen in a longer pass")
        for receiver in receivers:
            for site in ROUTING:
                if receiver.wants(site, block):
                    receiver.take(site, block, _read_site(call, router, site))

    with watch_routers(list(wanted), take):
        yield


def _read_site(call: RouterCall, router: Router, site: Site) -> torch.Tensor:
    """(token x expert)"""
    if site is Site.GATES:
        return call.read_gates(router.gate)
    return call.scores if site is Site.ROUTER_SCORES else call.chosen.float()


def stream_of(output: Any) -> torch.Tensor:
    """(row x position x width) the residual stream in a block's output: some return it with other things."""
    stream: torch.Tensor = output[0] if isinstance(output, tuple | list) else output
    return stream


def replace_stream(output: Any, stream: torch.Tensor) -> Any:
    """A block's output with another stream in it."""
    if not isinstance(output, tuple | list):
        return stream
    parts = (stream, *output[1:])
    return output._make(parts) if hasattr(output, "_make") else type(output)(parts)  # some give a named tuple


def _on_input(receivers: Sequence[Receiver]) -> Callable[..., None]:
    def take(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        for receiver in receivers:
            receiver.take(Site.RESIDUAL, 0, stream_of(args[0] if args else kwargs["hidden_states"]))

    return take


def _on_output(receivers: Sequence[Receiver], layer: int) -> Callable[..., None]:
    def take(_module: nn.Module, _args: Any, output: Any) -> None:
        for receiver in receivers:
            receiver.take(Site.RESIDUAL, layer, stream_of(output))

    return take


def _on_attention(receivers: Sequence[Receiver], blocks: Iterator[int]) -> Callable[..., None]:
    """`blocks` says of which block each further call is."""

    def take(_module: nn.Module, _args: Any, output: Any) -> None:
        block = next(blocks)
        for receiver in receivers:
            receiver.take(Site.ATTENTION, block, output[1])

    return take


def _on_write(
    receivers: Sequence[Receiver], site: Site, block: int, scale: float, read_others: Callable[[], torch.Tensor | None]
) -> Callable[..., None]:
    def take(_module: nn.Module, _args: Any, output: Any) -> None:
        written, others = stream_of(output), read_others()
        written = written if scale == 1.0 else written * scale
        for receiver in receivers:
            receiver.take(site, block, written if others is None else written + others.reshape(written.shape))

    return take


def _on_activation(receivers: Sequence[Receiver], block: int) -> Callable[..., None]:
    def take(_module: nn.Module, _args: Any, output: torch.Tensor) -> None:
        for receiver in receivers:
            receiver.take(Site.ACTIVATIONS, block, output)

    return take


def _on_projection_input(receivers: Sequence[Receiver], site: Site, block: int) -> Callable[..., None]:
    def take(_module: nn.Module, args: tuple[Any, ...]) -> None:
        for receiver in receivers:
            receiver.take(site, block, args[0])

    return take
