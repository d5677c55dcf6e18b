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
    """Which occurrence of `from` is meant, counted from 0, if there are several."""
    to_index: Index | None = None
    """Which occurrence of `to` is meant, counted from 0, if there are several."""
    prompt: Index | None = None
    """The prompt, from 0; by default every prompt that contains both words."""

    @property
    def told(self) -> str:
        """The look as rows of tables call it; two that differ in anything are told apart."""
        words = (self.from_, self.from_index), (self.to, self.to_index)
        looks = " → ".join(word if index is None else f"{word} [{index}]" for word, index in words)
        return looks if self.prompt is None else f"{looks} (prompt {self.prompt})"


@dataclass(frozen=True)
class LookPlace:
    """Where both words of a look are in one prompt as a model reads it."""

    prompt: int
    queries: tuple[int, ...]
    """Positions of the tokens that hold something of `from`."""
    keys: tuple[int, ...]
    """Those of the tokens that hold something of `to`, position 0 left out: heads rest there whatever it holds."""


@dataclass(frozen=True)
class LooksFound:
    """Where looks can be measured."""

    places: Mapping[int, Sequence[LookPlace]]
    """Number of a look -> where both words are, prompt by prompt."""
    missing: Mapping[str, str]
    """Looks that no prompt has, each with the reason: that of the first prompt with both words if there is one."""


def find_looks(tokenizer: TextTokenizer, prompts: Sequence[Prompt], looks: Sequence[Look]) -> LooksFound:
    """Where both words of each look are."""
    found, missing = {}, {}
    for at, look in enumerate(looks):
        places, reasons = [], []
        if look.prompt is not None and look.prompt >= len(prompts):
            reasons.append((True, f"there is no prompt {look.prompt}: prompts go from 0 to {len(prompts) - 1}"))
        for number, prompt in enumerate(prompts):
            if look.prompt not in (None, number):
                continue
            try:
                places.append(_place_in(tokenizer, prompt, look, number))
            except Unusable as error:
                text = tokenizer.prompt_text(prompt)
                reasons.append((look.from_ in text and look.to in text, str(error)))
        if places:
            found[at] = places
        else:
            missing[look.told] = max(reasons, key=lambda one: one[0])[1]
    return LooksFound(found, missing)


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
