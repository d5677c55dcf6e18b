"""Two words of a prompt whose score is shown at growing distance, and where they are as a model reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reportgen.probes.attention_grid.find import Look
from reportgen.text.prompts import Prompt
from reportgen.text.tokens import TextTokenizer
from reportgen.text.words import WordNotFound, WordPlace, find_word


@dataclass(frozen=True)
class PairPlace:
    """Where both words of a pair are in one prompt."""

    look: Look
    prompt: int
    query: WordPlace
    key: WordPlace

    @property
    def words(self) -> tuple[tuple[str, WordPlace], tuple[str, WordPlace]]:
        """Each word with its place."""
        return (self.look.from_, self.query), (self.look.to, self.key)

    @property
    def distance(self) -> int:
        """Tokens from the key to the query, each word read at its last token."""
        return self.query.position - self.key.position


@dataclass(frozen=True)
class PairsFound:
    """Which pairs can be measured."""

    places: Sequence[PairPlace]
    """In the order of the battery, prompt by prompt."""
    missing: Mapping[str, str]
    """Pairs that no prompt has -> the reason."""


def find_pairs(tokenizer: TextTokenizer, prompts: Sequence[Prompt], pairs: Sequence[Look]) -> PairsFound:
    """Where both words of each pair are."""
    found: list[PairPlace] = []
    missing: dict[str, str] = {}
    for look in pairs:
        reasons = [] if look.prompt is None or look.prompt < len(prompts) else [_tell_prompts(look.prompt, prompts)]
        places = []
        for number, prompt in enumerate(prompts):
            if look.prompt in (None, number):
                try:
                    places.append(_place_in(tokenizer, prompt, look, number))
                except WordNotFound as error:
                    reasons.append(str(error))
        found += places
        if not places:
            missing[look.told] = reasons[0]
    return PairsFound(found, missing)


def _tell_prompts(asked: int, prompts: Sequence[Prompt]) -> str:
    return f"there is no prompt {asked}: prompts go from 0 to {len(prompts) - 1}"


def _place_in(tokenizer: TextTokenizer, prompt: Prompt, look: Look, number: int) -> PairPlace:
    query = _find(tokenizer, prompt, look.from_, look.from_index, "from_index")
    key = _find(tokenizer, prompt, look.to, look.to_index, "to_index")
    text = tokenizer.prompt_text(prompt)
    if query.position == key.position:
        raise WordNotFound(f"{look.from_!r} and {look.to!r} end in the same token of {text!r}")
    if key.position > query.position:
        raise WordNotFound(f"{look.to!r} comes after {look.from_!r} in {text!r}, where a causal model cannot look")
    return PairPlace(look, number, query, key)


def _find(tokenizer: TextTokenizer, prompt: Prompt, word: str, index: int | None, option: str) -> WordPlace:
    try:
        return find_word(tokenizer, prompt.model_copy(update={"index": index}), word)
    except WordNotFound as error:
        raise WordNotFound(str(error).replace("say which by index:", f"say which by {option}:")) from error
