"""What is ablated, and in which texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from reportgen.model.needs import Site

Kind = Literal["heads", "attention", "mlp", "blocks"]
WRITES = {
    "heads": (Site.HEADS,),
    "attention": (Site.ATTENTION_WRITE,),
    "mlp": (Site.MLP_WRITE,),
    "blocks": (Site.ATTENTION_WRITE, Site.MLP_WRITE),
}


@dataclass(frozen=True)
class Text:
    """A text in a model's tokens."""

    prompt: int
    """Among all prompts of the battery."""
    tokens: tuple[int, ...]
    predicted: tuple[int, ...]
    """Positions whose token is predicted, from the one before."""
    answer: tuple[int, ...]
    """The distinct tokens with which a right answer begins; none if none is named."""


@dataclass(frozen=True)
class Part:
    """What one pass does without."""

    kind: Kind
    block: int
    head: int | None = None
