"""Changing what passes through a model: hooks that edit rows of a batch, and are gone afterwards.

Rows that differ only in their edits share what lies below the first of these: they join the batch where it is made.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from reportgen.model.capture.hooks import Layout, replace_stream, shape_by_row, stream_of
from reportgen.model.needs import Edit, Site
from reportgen.model.network.anatomy import Anatomy
from reportgen.model.network.writers import Writer, hook_side_writers


@dataclass(frozen=True, eq=False)
class Add:
    """x + factor * vector."""

    vector: torch.Tensor
    """(width), or (position x width)."""
    factor: float = 1.0

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """The sum."""
        return rows + self.factor * self.vector.to(rows)


@dataclass(frozen=True, eq=False)
class Replace:
    """Other rows in the place of those that are there."""

    rows: torch.Tensor
    """(width), or (position x width)."""

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """What stands there now."""
        return self.rows.to(rows).expand_as(rows)


@dataclass(frozen=True)
class Scale:
    """factor * x; 0 is zero ablation."""

    factor: float

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """The product."""
        return rows * self.factor


@dataclass(frozen=True, eq=False)
class ProjectOut:
    """x - (x·r̂) r̂: nothing is left along a direction."""

    direction: torch.Tensor
    """(width) of any length but 0."""

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """What is left of the rows."""
        # In float64: what is left along the direction is a difference of numbers that may be large.
        unit = self.direction.to(rows.device, torch.float64)
        unit = unit / unit.norm()
        wide = rows.double()
        left: torch.Tensor = wide - (wide @ unit)[:, None] * unit
        return left.to(rows.dtype)


Edits = Sequence[tuple[Edit, ...]]
"""(row) what is changed in each edited row of a batch."""


def start_of(edits: Sequence[Edit]) -> int:
    """The layer up to which nothing is changed."""
    return min(edit.index for edit in edits)


@contextmanager
def apply_edits(anatomy: Anatomy, edits: Edits, layout: Layout, *, prompt: int, first: int = 0) -> Iterator[None]:
    """Makes the edits of each row in what passes meanwhile; the model is as before afterwards, also after an
    exception.

    Args:
        anatomy: the model's.
        edits: of each edited row, in the order of `layout.starts`.
        layout: where the rows stand in the batch, and where they join it.
        prompt: number of tokens of the prompt; what has a position beyond it was generated.
        first: position of the first token that passes.
    """
    handles: list[Any] = []
    device = anatomy.unembedding.weight.device
    due = [(row, edit) for row, of_row in enumerate(edits) for edit in of_row]
    try:
        for layer in range(len(anatomy.blocks) + 1):
            here = [(row, edit) for row, edit in due if edit.site is Site.RESIDUAL and edit.index == layer]
            if here or layout.count_joining(layer):
                handles.append(_hook_layer(anatomy, layer, _Change(here, layout, layer, prompt, first, device)))
        for site, hook in (
            (Site.ATTENTION_WRITE, _hook_write),
            (Site.MLP_WRITE, _hook_write),
            (Site.HEADS, _hook_heads),
        ):
            for block in sorted({edit.index for _, edit in due if edit.site is site}):
                writers = anatomy.mlp_writers if site is Site.MLP_WRITE else anatomy.attention_writers
                writer = writers[block]
                assert writer is not None
                here = [(row, edit) for row, edit in due if edit.site is site and edit.index == block]
                handles.extend(hook(writer, _Change(here, layout, block, prompt, first, device), anatomy.heads or 1))
        yield
    finally:
        for handle in handles:
            handle.remove()


@dataclass(frozen=True)
class _Change:
    """What is done at one place of the model."""

    edits: Sequence[tuple[int, Edit]]
    """(row, edit)"""
    layout: Layout
    layer: int
    """The layer behind which it lies."""
    prompt: int
    first: int
    device: torch.device
    """Where operations are given their rows: some blocks may be elsewhere."""

    def join_rows(self, stream: torch.Tensor) -> torch.Tensor:
        """The stream with the rows that begin here, as copies of the clean row."""
        joining = self.layout.count_joining(self.layer)
        if not joining:
            return stream
        return torch.cat([stream, stream[:1].expand(joining, *stream.shape[1:])])

    def apply(
        self, value: torch.Tensor, *, scale: float = 1.0, heads: int = 1, others: torch.Tensor | None = None
    ) -> torch.Tensor:
        """(row x position x width) rows with the edits; before they count the values are multiplied by `scale`, and
        what other modules wrote (`others`) is added: afterwards it is taken out again, since the model adds it itself.
        """
        if not self.edits:
            return value
        changed = shape_by_row(value, self.layout.rows(self.layer)).clone()
        for row, edit in self.edits:
            at = self._places(edit, changed.shape[1])
            if not at:
                continue
            own = changed[self.layout.place(row, self.layer)]
            columns = _columns(edit.head, own.shape[1], heads)
            rows = own[at, columns].float().to(self.device)
            if others is not None:
                by_row = shape_by_row(others, self.layout.rows(self.layer))
                side = by_row[self.layout.place(row, self.layer)][at].float().to(self.device)
                new = (edit.operation(rows * scale + side) - side) / scale
            else:
                new = edit.operation(rows) if scale == 1.0 else edit.operation(rows * scale) / scale
            own[at, columns] = new.to(own)
        return changed.reshape(value.shape)

    def _places(self, edit: Edit, length: int) -> list[int]:
        """Which of the `length` tokens that pass an edit is for."""
        passing = range(self.first, self.first + length)
        if edit.positions == "all":
            wanted = list(passing)
        elif edit.positions == "last":
            wanted = [position for position in passing if position >= self.prompt - 1]
        else:
            wanted = [position for position in edit.positions if position in passing]
        if edit.during == "prompt":
            wanted = [position for position in wanted if position < self.prompt]
        elif edit.during == "generation":
            wanted = [position for position in wanted if position >= self.prompt]
        return [position - self.first for position in wanted]


def _columns(head: int | None, width: int, heads: int) -> slice:
    """What one head found among the concatenated ones."""
    if head is None:
        return slice(None)
    size = width // heads
    return slice(head * size, (head + 1) * size)


def _hook_layer(anatomy: Anatomy, layer: int, change: _Change) -> Any:
    """Before block 0 what enters it, behind every block what it gives."""
    if layer:
        return anatomy.blocks[layer - 1].register_forward_hook(_change_output_of_block(change))
    return anatomy.blocks[0].register_forward_pre_hook(_change_input_of_block(change), with_kwargs=True)


def _change_output_of_block(change: _Change) -> Callable[..., Any]:
    def hook(_module: nn.Module, _args: Any, output: Any) -> Any:
        return replace_stream(output, change.apply(change.join_rows(stream_of(output))))

    return hook


def _change_input_of_block(change: _Change) -> Callable[..., Any]:
    def hook(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        stream = change.apply(change.join_rows(args[0] if args else kwargs["hidden_states"]))
        return ((stream, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": stream})

    return hook


def _hook_write(writer: Writer, change: _Change, heads: int) -> Sequence[Any]:
    others, handles = hook_side_writers(writer)

    def hook(_module: nn.Module, _args: Any, output: Any) -> Any:
        return replace_stream(output, change.apply(stream_of(output), scale=writer.scale, others=others()))

    return [*handles, writer.gives.register_forward_hook(hook)]


def _hook_heads(writer: Writer, change: _Change, heads: int) -> Sequence[Any]:
    assert writer.projection is not None

    def hook(_module: nn.Module, args: tuple[Any, ...]) -> Any:
        return (change.apply(args[0], heads=heads), *args[1:])

    return [writer.projection.register_forward_pre_hook(hook)]
