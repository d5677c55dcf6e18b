"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from reportgen.language import say
from reportgen.numerals import write_share
from reportgen.probing.view import SubjectView

TOLD = 3
"""Heads that a statement names."""
BY_POSITION = ("residual", "attention", "mlp")


def share_moved(recovered: NDArray[Any], direction: str) -> NDArray[Any]:
    """What a patch does: the share that comes back, or the share that is lost."""
    return recovered if direction == "denoise" else 1 - recovered


def tell_heads(view: SubjectView, least: float | None = None) -> list[str]:
    """The heads that move most, with what they move; only those that move at least so much."""
    return [
        say(
            "activation_patching.head",
            "head {block}.{head} ({share})",
            block=record["block"],
            head=record["head"],
            share=write_share(record["share"]),
        )
        for record in view.rows("top")[:TOLD]
        if least is None or record["share"] >= least
    ]
