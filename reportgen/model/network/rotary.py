"""How queries and keys are turned by their positions (rotary embedding, Su et al. 2021), seen while a pass runs.

The modern families of transformers call a function of their own file, `apply_rotary_pos_emb(query, key, cos, sin, …)`,
by its name: for the length of a pass another one stands there, which keeps what it is given and calls the first. Where
a family turns its vectors in another way, what was before it is not seen.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from torch import nn

FUNCTION = "apply_rotary_pos_emb"


@dataclass(frozen=True)
class Turn:
    """One call of a family's own function."""

    own: Callable[..., Any]
    before: tuple[torch.Tensor, torch.Tensor]
    """(row x head x position x turned width) queries and keys."""
    after: tuple[torch.Tensor, torch.Tensor]
    cos: torch.Tensor
    sin: torch.Tensor
    rest: tuple[Any, ...]
    named: Mapping[str, Any]


@dataclass(frozen=True)
class Content:
    """Queries and keys before they were turned."""

    query: torch.Tensor
    """(head x position x head width)"""
    key: torch.Tensor
    """(head x position x head width)"""
    turned: slice
    """Which numbers of a head's vector are turned: all of them in most families."""


@dataclass(frozen=True)
class Rotation:
    """How one block turns its vectors, with the model's own function and its own table of angles."""

    own: Callable[..., Any]
    table: nn.Module
    """Gives cosines and sines of positions."""
    asked: Mapping[str, Any]
    """What it is called with in addition to the positions: Gemma 3 has other angles in local blocks."""
    rest: tuple[Any, ...]
    named: Mapping[str, Any]
    turned: slice
    scaling: float
    """Factor of q·k."""
    softcap: float | None

    @torch.inference_mode()
    def turn(self, vectors: torch.Tensor, positions: Sequence[int]) -> torch.Tensor:
        """(head x position x head width) vectors as if they stood at these positions."""
        places = torch.tensor([list(positions)], device=vectors.device)
        cos, sin = self.table(**{**self.asked, "position_ids": places})
        inside = vectors[None, ..., self.turned].to(cos.dtype)
        turned = vectors.clone()
        turned[..., self.turned] = self.own(inside, inside, cos, sin, *self.rest, **self.named)[0][0].to(turned.dtype)
        return turned


@contextmanager
def watch_turns(file: ModuleType) -> Iterator[Callable[[], Turn | None]]:
    """Gives what tells the last call in a family's file, and forgets it; all is as before afterwards."""
    own, kept = getattr(file, FUNCTION, None), list[Turn]()

    def take_last() -> Turn | None:
        last = kept[-1] if kept else None
        kept.clear()
        return last

    if own is None:
        yield take_last
        return

    def turn(*given: Any, **named: Any) -> Any:
        turned = own(*given, **named)
        if len(given) >= 4 and isinstance(turned, tuple) and len(turned) == 2:
            query, key, cos, sin, *rest = given
            kept.append(Turn(own, (query, key), turned, cos, sin, tuple(rest), named))
        return turned

    setattr(file, FUNCTION, turn)
    try:
        yield take_last
    finally:
        setattr(file, FUNCTION, own)


def find_content(query: torch.Tensor, key: torch.Tensor, turn: Turn) -> Content | None:
    """What queries and keys were before they were turned; None where what was turned is not what attention reads.

    Args:
        query: (head x query x head width) as attention reads it.
        key: (head x key x head width) as attention reads it, keys of earlier steps before those of this one.
        turn: the call that turned those of this step.
    """
    found = []
    for read, before, after in zip((query, key), turn.before, turn.after, strict=True):
        fresh = read[:, -after.shape[2] :]
        rows = [one[0].repeat_interleave(len(fresh) // one.shape[1], dim=0) for one in (before, after)]
        place = _find_place(fresh, rows[1])
        if place is None:
            return None
        whole = fresh.clone()
        whole[..., place] = rows[0]
        found.append((whole, place))
    (one, first), (other, second) = found
    return Content(one, other, first) if first == second else None


def _find_place(whole: torch.Tensor, part: torch.Tensor) -> slice | None:
    """Where a part of a head's vector lies in it: at its beginning, or at its end."""
    width, turned = whole.shape[-1], part.shape[-1]
    if whole.shape[:-1] != part.shape[:-1] or turned > width:
        return None
    places = (slice(0, turned), slice(width - turned, width))
    return next((place for place in places if torch.equal(whole[..., place], part)), None)
