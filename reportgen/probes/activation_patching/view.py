"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from typing import Any

import numpy as np
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


def list_defined(view: SubjectView) -> list[bool]:
    """(pair) whether the model tells its prompts apart."""
    return [bool(one) for one in view.column("pairs", "defined")]


def mean_heads(view: SubjectView) -> NDArray[Any]:
    """(block x head) what each head moves, as a mean over the pairs that are told apart."""
    return share_moved(view.values("heads")[list_defined(view)].mean(0), view.options["direction"])


def tell_heads(view: SubjectView, least: float | None = None) -> list[str]:
    """The heads that move most, with what they move; only those that move at least so much."""
    return [
        _tell_head(record["block"], record["head"], record["share"])
        for record in view.rows("top")[:TOLD]
        if least is None or record["share"] >= least
    ]


def tell_opposing_heads(view: SubjectView, least: float) -> list[str]:
    """The heads that move it the other way by at least so much, the strongest first."""
    shares, blocks = mean_heads(view), view.along("heads", "block")
    order = np.argsort(shares, axis=None, kind="stable")[:TOLD]
    places = [np.unravel_index(at, shares.shape) for at in order if shares.flat[at] <= -least]
    return [_tell_head(blocks[block], head, float(shares[block, head])) for block, head in places]


def _tell_head(block: object, head: object, share: float) -> str:
    return say(
        "activation_patching.head", "head {block}.{head} ({share})", block=block, head=head, share=write_share(share)
    )
