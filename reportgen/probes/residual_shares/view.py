"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reportgen.language import say
from reportgen.probing.probe import quote_prompts
from reportgen.probing.view import SubjectView
from reportgen.text.characters import mark_space

if TYPE_CHECKING:
    from numpy.typing import NDArray

PARTS = ("share_kept", "share_attention", "share_mlp")


def part_label(part: str) -> str:
    """What a share is called in figures and sentences."""
    return {
        "share_kept": say("residual_shares.kept", "what came in"),
        "share_attention": say("residual_shares.attention", "attention"),
        "share_mlp": say("residual_shares.mlp", "MLP"),
    }[part]


def output_depths(view: SubjectView) -> list[float]:
    """(block) where a block's output is: 0 would be the embedding, 1 is the last block's."""
    blocks = view.along("share_kept", "block")
    return [(block + 1) / len(blocks) for block in blocks]


def mean_of(view: SubjectView, part: str) -> NDArray[Any]:
    """(block) of all tokens but the first."""
    values: NDArray[Any] = view.values(part)[0]
    return values


def item_label(view: SubjectView, item: int) -> str:
    """What an item is called: all tokens, or a word in its prompt."""
    row = view.rows("items")[item]
    if row["word"] is None:
        return say("residual_shares.all", "all tokens but the first")
    return say(
        "residual_shares.word",
        "“{word}” in “{prompt}”",
        word=mark_space(str(row["word"])),
        prompt=quote_prompts(view.outcome)[row["prompt"]],
    )
