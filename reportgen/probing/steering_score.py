"""What steering is to change, and what both ways of steering say of it: by a direction, and by a feature."""

from collections.abc import Sequence
from math import isfinite
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from reportgen.suggest import suggestion
from reportgen.text.function_words import listed_language
from reportgen.text.prompts import STRICT, Prompt, Text, read_prompts
from reportgen.text.refusals import refusal_openings, refusal_tokens
from reportgen.text.scripts import script_names
from reportgen.text.tokens import TextTokenizer

HARMFUL, HARMLESS = "harmful", "harmless"
"""Groups of prompts: nothing is ever written after one of the first."""
LOOP = 0.5
"""Mean share of repeated words from which a cell's texts are loops, which no cell that is chosen may hold."""
BEYOND_CONTROL = 2.0
"""Times the larger effect of the controls, in either direction, from which an effect is the direction's own."""
CLEAR = {"tokens": 0.05, "refusal": 1.0, "language": 0.1, "script": 0.1, "cosine": 0.1}
"""Change of a score from which there is an effect at all."""

MOST_SHOWN = 4
"""Prompts whose texts are drawn; the table has them all."""
WIDEST = 12
"""Columns of a grid of words."""


def is_its_own(effect: float, controls: Sequence[float]) -> bool:
    """Whether an effect is that of what was steered by, and not of any step as large.

    By size alone: a control that moves the score the other way says as well how far a step without meaning moves it.
    Controls that could not be measured (NaN) hold nothing against it.
    """
    return abs(effect) >= BEYOND_CONTROL * max((abs(one) for one in controls if isfinite(one)), default=0.0)


def _target(value: Any, info: ValidationInfo) -> Any:
    return value if value == "direction" else read_prompts(value, (info.context or {}).get("prompt_sets"))


def named_score(value: Any) -> Any:
    """A score that a battery names by one word, as the mapping that it stands for."""
    return {"refusal": {"refusal": "shipped"}, "cosine": {"cosine": "direction"}}.get(str(value), value)


class Score(BaseModel):
    """What steering is to change. Exactly one is given."""

    model_config = STRICT

    tokens: Annotated[list[Text], Field(min_length=1)] | None = None
    """Probability that the next token is one of these, each one token of the model, with a leading space or without."""
    refusal: Literal["shipped"] | Annotated[list[Text], Field(min_length=1)] | None = None
    """ln p − ln(1 − p), p the probability that the next token opens a refusal: of the shipped list, or of these."""
    language: Text | None = None
    """Share of this language in the text that is written, as a BCP 47 tag: of the words that identify a language."""
    script: Text | None = None
    """Share of the letters of this script in the text that is written."""
    cosine: (
        Annotated[
            Literal["direction"] | list[Prompt],
            BeforeValidator(_target, json_schema_input_type=str | list[str | Prompt]),
        ]
        | None
    ) = None
    """Cosine of the last layer's residual stream with the direction between both sets there (`direction`), or with
    that from `away` to these prompts."""

    @field_validator("language")
    @classmethod
    def _check_language(cls, tag: str) -> str:
        listed_language(tag)
        return tag

    @field_validator("script")
    @classmethod
    def _check_script(cls, script: str) -> str:
        if script.lower() not in script_names():
            raise ValueError(f"no script {script!r}. {suggestion(script.lower(), script_names())}")
        return script.lower()

    @model_validator(mode="after")
    def _check_one_score(self) -> Self:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("a score is one of tokens, refusal, language, script and cosine")
        return self

    @property
    def kind(self) -> str:
        """Which of them it is."""
        return next(name for name in type(self).model_fields if getattr(self, name) is not None)

    @property
    def of_text(self) -> bool:
        """Whether something has to be written first."""
        return self.kind in ("language", "script")

    @property
    def words(self) -> Sequence[str]:
        """The words whose tokens are counted."""
        if self.refusal == "shipped":
            return refusal_openings()
        return self.tokens or self.refusal or ()


def reasons_against_score_words(tokenizer: TextTokenizer, words: Sequence[str]) -> dict[str, str]:
    """Word -> why it is not counted: it is not one token."""
    return {
        word: (
            f"{word!r} is not a single token: {tokenizer.show_joined(tokenizer.encode(word, special_tokens=False).ids)}"
        )
        for word in words
        if not refusal_tokens(tokenizer, [word])
    }


def text_of_prompt(prompt: Prompt) -> str:
    """What a prompt says, without the template around it; of a chat the last message."""
    return prompt.text or (prompt.messages[-1].content if prompt.messages else "")


def replace_undefined(value: float) -> float | str:
    """A mean score, or why there is none."""
    return value if value == value else "fewer than half of the texts tell a language"
