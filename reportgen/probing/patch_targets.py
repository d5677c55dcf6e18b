"""Prompts into which a representation is put: what the model goes on with then says what it holds."""

from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, ValidationInfo, model_validator

from reportgen.documents.problem import Problem
from reportgen.suggest import suggestion
from reportgen.text.prompts import Prompt, PromptsError, PromptSets
from reportgen.text.tokens import TextTokenizer
from reportgen.text.words import find_word

SHIPPED = "patchscopes/targets"
"""The set whose prompts can be asked for by their ids alone."""


class Target(Prompt):
    """A prompt one token of which is overwritten: that of its `word`, or the one at `position`."""

    position: Annotated[int, Field(ge=0)] | None = None
    """Position of the overwritten token, in place of a word."""
    until: Annotated[str, Field(min_length=1)] | None = None
    """Where the answer ends; by default at the end of its first line."""

    @model_validator(mode="after")
    def _check_place(self) -> Self:
        if self.id is None:
            raise ValueError("a target has an id")
        if (self.word is None) == (self.position is None):
            raise ValueError(f"target {self.id!r} says which token is overwritten, by word or by position")
        return self

    def answer(self, text: str) -> str:
        """The part of what was written that answers."""
        begun = text.lstrip()
        ends = [self.until] if self.until is not None else ["\n", "\r"]
        return begun[: min((at for end in ends if (at := begun.find(end)) >= 0), default=len(begun))].strip()


def _sets(info: ValidationInfo) -> PromptSets:
    given: PromptSets | None = (info.context or {}).get("prompt_sets")
    return given or PromptSets.for_battery(None)


def _dump_prompt(prompt: Prompt) -> dict[str, Any]:
    return prompt.model_dump(exclude_none=True)


def _find_named(name: str, sets: PromptSets) -> dict[str, Any]:
    known = {prompt.id: prompt for prompt in sets.find(SHIPPED).prompts if prompt.id is not None}
    if name not in known:
        raise PromptsError(Problem((), f"there is no target {name!r} in {SHIPPED}", suggestion(name, known)))
    return _dump_prompt(known[name])


def _read_target(value: Any, info: ValidationInfo) -> Any:
    return _find_named(value, _sets(info)) if isinstance(value, str) else value


def _read_targets(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, str):
        return [_dump_prompt(prompt) for prompt in _sets(info).find(value).prompts]
    if isinstance(value, list | tuple):
        return [_read_target(item, info) for item in value]
    return value


OneTarget = Annotated[Target, BeforeValidator(_read_target, json_schema_input_type=str | Target)]
"""A target, or its id in the shipped set."""
Targets = Annotated[
    list[Target], BeforeValidator(_read_targets, json_schema_input_type=str | list[str | Target]), Field(min_length=1)
]
"""A list of targets, each a mapping or an id in the shipped set; or the name FILE/SET of a prompt set."""


@dataclass(frozen=True)
class Place:
    """One token of a prompt."""

    ids: tuple[int, ...]
    """The prompt's tokens."""
    position: int
    word_tokens: int
    """Tokens of the word that it is the last one of; 1 where it was not found by a word."""

    @property
    def token(self) -> int:
        """The token that stands there."""
        return self.ids[self.position]


class OutOfRange(Exception):
    """A position beyond the prompt."""


def place_of(tokenizer: TextTokenizer, prompt: Prompt, position: int | None) -> Place:
    """The token at a position, else the last one of the prompt's word, else the prompt's last.

    Raises:
        OutOfRange: the prompt has no such position.
        WordNotFound: its word is not there, or more than once and it has no `index`.
    """
    encoded = tokenizer.encode_prompt(prompt)
    if position is not None:
        if position >= len(encoded.ids):
            text = tokenizer.prompt_text(prompt)
            raise OutOfRange(
                f"position {position} is out of range: those of {text!r} go from 0 to {len(encoded.ids) - 1}"
            )
        return Place(encoded.ids, position, 1)
    if prompt.word is None:
        return Place(encoded.ids, len(encoded.ids) - 1, 1)
    word = find_word(tokenizer, prompt, prompt.word)
    return Place(encoded.ids, word.position, len(word.positions))
