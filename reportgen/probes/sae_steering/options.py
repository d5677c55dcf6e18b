"""What steering by a feature asks for: which feature, how strong, on which prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from reportgen.features.options import DictionaryOptions
from reportgen.probing.options import Prompts
from reportgen.probing.steering_score import HARMFUL, HARMLESS, Score, named_score
from reportgen.text.prompts import Prompt

PROMOTED = "promoted"
Strengths = Annotated[list[Annotated[float, Field(strict=False, ge=-1e9, le=1e9)]], Field(min_length=1)]


class Options(DictionaryOptions):
    """Which feature, how strong, on which prompts, and what is looked at."""

    seed: int = 0
    """Decides the feature that is the control."""
    feature: Annotated[int, Field(ge=0)]
    """Its number in the dictionary; `layers` names the dictionary if there are several."""
    clamp: Strengths | None = None
    """Activations at which it is held; 0 takes it out, below 0 it points the other way."""
    times_max: Strengths | None = None
    """The same as multiples of its largest activation on the prompts and `texts`."""
    scale: Strengths | None = None
    """Multiples of its own activation: nothing changes where it is silent. Give one of the three."""
    prompts: Prompts
    """What the model continues."""
    texts: Prompts | None = None
    """Texts on which to look for its largest activation, in addition to the prompts."""
    score: Annotated[Score | Literal["promoted"], BeforeValidator(named_score, json_schema_input_type=str | Score)] = (
        "promoted"
    )
    """What is to change, as in `steering`: {tokens: […]}, refusal, {language: fr}, {script: han}; or `promoted`, the
    probability of the ten tokens that the feature's direction promotes."""
    aim: Literal["higher", "lower"] = "higher"
    """Which score is better."""
    continue_: Annotated[int, Field(ge=1, le=256, alias="continue")] = 24
    """Tokens that are written after a prompt, with greedy decoding."""
    max_kl: Annotated[float, Field(gt=0, strict=False)] | None = None
    """Highest KL to the unsteered model (the cost), in nats, of the chosen strength; by default 10 if texts are scored,
    because loops are seen there, else 1."""

    @field_validator("score")
    @classmethod
    def _refuse_cosine(cls, score: Score | Literal["promoted"]) -> Score | Literal["promoted"]:
        if isinstance(score, Score) and score.cosine is not None:
            raise ValueError("a cosine is of a direction between two sets: steering has it")
        return score

    @model_validator(mode="after")
    def _check_one_change(self) -> Self:
        if sum(one is not None for one in (self.clamp, self.times_max, self.scale)) != 1:
            raise ValueError("name one of clamp, times_max and scale")
        if self.of_text and any(map(self.is_withheld, self.prompts)):
            raise ValueError(f"score: {self.kind} is of what is written, and after harmful prompts nothing is")
        return self

    @property
    def words(self) -> Sequence[str]:
        """The words of the score whose tokens are counted."""
        return self.score.words if isinstance(self.score, Score) else ()

    @property
    def kind(self) -> str:
        """Which score it is."""
        return self.score.kind if isinstance(self.score, Score) else PROMOTED

    @property
    def of_text(self) -> bool:
        """Whether the score is of what is written."""
        return isinstance(self.score, Score) and self.score.of_text

    @property
    def strengths(self) -> list[float]:
        """Each once, ascending."""
        return sorted(set(self.clamp or self.times_max or self.scale or ()))

    @property
    def change(self) -> str:
        """Which of the three it is."""
        return next(name for name in ("clamp", "times_max", "scale") if getattr(self, name) is not None)

    @property
    def most_kl(self) -> float:
        """The price that the chosen strength may have."""
        return self.max_kl or (10.0 if self.of_text else 1.0)

    def is_withheld(self, prompt: Prompt) -> bool:
        """Whether nothing is written after a prompt."""
        return prompt.group == HARMFUL or (self.kind == "refusal" and prompt.group != HARMLESS)
