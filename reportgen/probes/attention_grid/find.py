"""From which word to which heads are asked to look, and where these words are in a prompt as a model reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from reportgen.probing.case import Unusable
from reportgen.text.prompts import STRICT, Prompt
from reportgen.text.tokens import TextTokenizer
from reportgen.text.words import WordNotFound, WordPlace, find_word

Index = Annotated[int, Field(ge=0)]


class Look(BaseModel):
    """Two words of a prompt: which heads look from the one at the other?"""

    model_config = ConfigDict(**{**STRICT, "populate_by_name": True})

    from_: Annotated[str, Field(min_length=1, alias="from")]
    """The word that looks: the query."""
    to: Annotated[str, Field(min_length=1)]
    """The word that is looked at: the key."""
    from_index: Index | None = None
    """Which occurrence of `from` is meant, from 0, if there are several."""
    to_index: Index | None = None
    """Which occurrence of `to` is meant, from 0, if there are several."""
    prompt: Index | None = None
    """The prompt, from 0; by default every prompt that contains both words."""

    @property
    def told(self) -> str:
        """The look as rows of tables call it."""
        return f"{self.from_} → {self.to}"


@dataclass(frozen=True)
class LookPlace:
    """Where both words of a look are in one prompt as a model reads it."""

    prompt: int
    queries: tuple[int, ...]
    """Positions of the tokens that hold something of `from`."""
    keys: tuple[int, ...]
    """Those of the tokens that hold something of `to`, position 0 left out: heads rest there whatever it holds."""


def places_of(tokenizer: TextTokenizer, prompts: Sequence[Prompt], look: Look) -> list[LookPlace]:
    """Where a look can be measured, prompt by prompt.

    Raises:
        Unusable: nowhere; says why, of the first prompt that has both words if any does.
    """
    if look.prompt is not None and look.prompt >= len(prompts):
        raise Unusable(f"there is no prompt {look.prompt}: prompts go from 0 to {len(prompts) - 1}")
    places, reasons = [], []
    for number in range(len(prompts)) if look.prompt is None else (look.prompt,):
        try:
            places.append(_place_in(tokenizer, prompts[number], look, number))
        except Unusable as error:
            text = tokenizer.prompt_text(prompts[number])
            reasons.append((look.from_ in text and look.to in text, str(error)))
    if not places:
        raise Unusable(max(reasons, key=lambda one: one[0])[1])
    return places


def missing_looks(tokenizer: TextTokenizer, prompts: Sequence[Prompt], looks: Sequence[Look]) -> Mapping[str, str]:
    """Looks that can be measured in no prompt of this model, each with the reason."""
    missing = {}
    for look in looks:
        try:
            places_of(tokenizer, prompts, look)
        except Unusable as error:
            missing[look.told] = str(error)
    return missing


def _place_in(tokenizer: TextTokenizer, prompt: Prompt, look: Look, number: int) -> LookPlace:
    query = _word_in(tokenizer, prompt, look.from_, look.from_index, "from_index")
    key = _word_in(tokenizer, prompt, look.to, look.to_index, "to_index")
    if set(query.positions) & set(key.positions):
        raise Unusable(f"{look.from_!r} and {look.to!r} share a token: name two words, or another occurrence of one")
    if key.positions[-1] > query.positions[0]:
        raise Unusable(f"{look.to!r} comes after {look.from_!r}, where no head of a causal model can look")
    keys = tuple(position for position in key.positions if position > 0)
    if not keys:
        raise Unusable(f"{look.to!r} is the first token, on which heads rest whatever it is")
    return LookPlace(number, query.positions, keys)


def _word_in(tokenizer: TextTokenizer, prompt: Prompt, word: str, index: int | None, option: str) -> WordPlace:
    try:
        return find_word(tokenizer, prompt.model_copy(update={"index": index}), word)
    except WordNotFound as error:
        raise Unusable(str(error).replace("say which by index:", f"say which by {option}:")) from error
