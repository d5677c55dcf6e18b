"""Two models of which the numbers are compared position by position: of one size, reading the same tokens; or of any
sizes, at the positions at which both have read the same characters.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reportgen.probing.case import Case, Unusable
from reportgen.text.prompts import Prompt


def require_same_reading(base: Case[Any], other: Case[Any], prompts: Iterable[Prompt]) -> None:
    """Refuses models of other sizes, or that read the prompts as other tokens.

    Raises:
        Unusable: says what differs.
    """
    for what in ("layers", "hidden_size", "vocabulary"):
        one, two = getattr(base.facts, what), getattr(other.facts, what)
        if one != two:
            raise Unusable(f"they cannot be compared: {what.replace('_', ' ')} {one} and {two}")
    ours, theirs = base.tokenizer, other.tokenizer
    # A fine-tune may name a special token anew; the prompts show whether they have it.
    special = ours.special_ids | theirs.special_ids
    text = (id for id in range(min(ours.size, theirs.size)) if id not in special)
    parted = next((id for id in text if ours.piece(id) != theirs.piece(id)), None)
    if parted is not None:
        told = f"token {parted} is {ours.show(parted)!r} and {theirs.show(parted)!r}"
        raise Unusable(f"they cannot be compared: their tokenizers differ, {told}")
    for index, prompt in enumerate(prompts):
        if base.tokens(prompt) != other.tokens(prompt):
            raise Unusable(f"they cannot be compared: they split prompt {index} into different tokens")


def share_positions(base: Case[Any], other: Case[Any], prompt: Prompt) -> list[tuple[int, int]]:
    """(base position, other position) at which both end a token at the same character of a text; what a tokenizer adds
    (BOS), and special tokens, are none.
    """
    ends, others = _ends(base, prompt), _ends(other, prompt)
    return [(at, others[end]) for end, at in ends.items() if end in others]


def _ends(case: Case[Any], prompt: Prompt) -> dict[int, int]:
    """Character behind a token -> its position, the last one's where several end there."""
    encoded = case.tokenizer.encode_prompt(prompt)
    spans = enumerate(zip(encoded.offsets, encoded.added, strict=True))
    special = case.tokenizer.special_ids
    return {end: at for at, ((_, end), added) in spans if end and not added and encoded.ids[at] not in special}
