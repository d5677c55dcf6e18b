"""What steering asks for: between which sets, on which prompts, how far."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, Field, computed_field, field_validator, model_validator

from reportgen.documents.beside import path_of
from reportgen.documents.problem import Problem
from reportgen.model.measures.tuned_lens import sha256_of
from reportgen.probing.options import Layers, ProbeOptions, Prompts
from reportgen.probing.steering_score import HARMFUL, HARMLESS, Score, named_score, text_of_prompt
from reportgen.text.prompts import STRICT, Prompt, PromptsError
from reportgen.training.direction_file import SUFFIX, DirectionFile, DirectionPath, find_direction


class RefusalRates(BaseModel):
    """Requests that are answered, and how far."""

    model_config = STRICT

    harmful: Prompts
    """Requests that a careful model declines. What is written after them is judged, and neither stored nor shown."""
    harmless: Prompts
    """Requests that it answers. What is written after them is shown."""
    tokens: Annotated[int, Field(ge=1, le=256)] = 16
    """Tokens of an answer, at most."""

    @model_validator(mode="after")
    def _check_groups(self) -> Self:
        for prompt in self.harmless:
            if prompt.group == HARMFUL:
                raise ValueError(f"harmless: {text_of_prompt(prompt)!r} is of the group {HARMFUL}, and what is written "
                                 f"after harmless requests is shown")  # fmt: skip
        return self


class Options(ProbeOptions):
    """Between which sets, on which prompts, how far, and what is looked at."""

    seed: int = 0
    """Decides the random direction, the shuffled split and, at a `temperature`, the tokens that are drawn."""
    towards: Prompts | None = None
    """The set that the direction points to."""
    away: Prompts | None = None
    """The set that it comes from; both are needed unless the direction comes from a file."""
    prompts: Prompts
    """Held-out prompts on which it is tried; none may be in either set."""
    harmless: Prompts | None = None
    """Held-out prompts on which the cost is measured and texts are shown, if other than `prompts`."""
    score: Annotated[Score, BeforeValidator(named_score, json_schema_input_type=str | Score)]
    """What is to change: {tokens: […]}, refusal, {language: fr}, {script: han}, or cosine."""
    direction: Literal["difference_of_means", "paired_pca", "logistic"] | DirectionPath = "difference_of_means"
    """How it is found. `paired_pca` takes the sets as pairs, in their order; `logistic` is what `linear_probe` finds
    between two labels, which tells the sets apart better and often steers worse. Or a file, which takes the place of
    the sets: FILE.safetensors with one vector (width), or with a row for each layer from 0 on (layer x width), as long
    as it is to be added once. Its path starts from the battery's folder."""
    tensor: Annotated[str, Field(min_length=1)] | None = None
    """Which tensor of that file it is; needed where there are several."""
    position: Annotated[int, Field(lt=0)] | Literal["last"] = "last"
    """Where both sets are read: the last token, or −2, −3, … counted from the end."""
    layers: Layers = "all"
    """Layers tried, of those that enter a block: 0 (the embedding) to the last but one. Of a file with one
    vector the one layer that it is of."""
    coefficients: Annotated[list[float], Field(min_length=1)] = Field(default=[-1.0, 0.0, 0.5, 1.0, 1.5])
    """Multiples of the direction that is added; 0, the unsteered model, is always included. Not used by `ablate`."""
    mode: Literal["add", "ablate"] = "add"
    """`add`: at one layer. `ablate`: the direction of a layer is taken out everywhere."""
    normalise: bool = False
    """Gives every direction the length 1 before it is multiplied."""
    positions: Literal["all", "last"] = "all"
    """Which tokens are changed: all of them, or the prompt's last and those written after it."""
    chat: Literal["auto", "never"] = "auto"
    """`auto` puts texts through the chat template as the user's message, if the model has one."""
    continue_: Annotated[int, Field(ge=1, le=256, alias="continue")] = 24
    """Tokens that are written after a prompt."""
    temperature: Annotated[float, Field(gt=0, le=100)] | None = None
    """Samples each token at this temperature; without it decoding is greedy."""
    aim: Literal["higher", "lower"] | None = None
    """Which score is better; by default `higher` for `add` and `lower` for `ablate`."""
    max_kl: Annotated[float, Field(gt=0)] | None = None
    """Highest KL to the unsteered model (the cost), in nats, of the chosen cell; by default 10 if texts are scored,
    because loops are seen there, else 1."""
    choose: Literal["score", "paper"] = "score"
    """`paper`: the layer-choice rule of the refusal paper, with its own constraints; for `ablate` and `refusal`."""
    refusal_rates: RefusalRates | None = None
    """Requests that the model answers, greedily: as it is, with the direction of the chosen layer taken out (harmful
    ones) or added (harmless ones), and with random directions in its place. The share of refusals is counted."""
    withhold: bool = False
    """Writes nothing after any prompt. After prompts of the group `harmful` nothing is written in any case; if the
    score is refusal or a set is harmful, only after those of the group `harmless`."""

    @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorator on a property; pydantic writes it so
    @property
    def direction_sha256(self) -> str | None:
        """Numbers depend on what the file holds, not on what it is called."""
        return sha256_of(path_of(self.direction)) if self.from_file else None

    @field_validator("coefficients")
    @classmethod
    def _check_coefficients(cls, coefficients: list[float]) -> list[float]:
        found = sorted({0.0, *coefficients})
        if len(found) == 1:
            raise ValueError("give at least one coefficient that is not 0")
        return found

    @model_validator(mode="after")
    def _check_sets(self) -> Self:
        if self.from_file:
            _check_file(self)
        else:
            _check_sizes(self)
        known = [(prompt.text, prompt.messages) for prompt in (*self.own_side, *self.other_side)]
        asked = self.refusal_rates
        tried = (*self.prompts, *(self.harmless or ()), *((*asked.harmful, *asked.harmless) if asked else ()))
        for prompt in tried:
            if (prompt.text, prompt.messages) in known:
                raise ValueError(f"prompts: {text_of_prompt(prompt)!r} is in one of the sets, and so is not held out")
        return self

    @model_validator(mode="after")
    def _check_rule(self) -> Self:
        if self.choose == "paper" and (self.mode, self.score.kind, self.harmless is None) != (
            "ablate", "refusal", False):  # fmt: skip
            raise ValueError("choose: the paper's rule needs mode: ablate, score: refusal, and harmless prompts")
        if self.withhold and self.refusal_rates:
            raise ValueError("refusal_rates: answers are written, and withhold: true writes nothing after any prompt")
        if self.score.of_text and any(map(self.is_withheld, self.prompts)):
            raise ValueError(f"score: {self.score.kind} is of what is written, and after harmful prompts nothing is")
        return self

    def is_withheld(self, prompt: Prompt) -> bool:
        """Whether nothing is written after a prompt."""
        if self.withhold or prompt.group == HARMFUL:
            return True
        harmful = self.score.kind == "refusal" or any(
            one.group == HARMFUL for one in (*self.own_side, *self.other_side)
        )
        return harmful and prompt.group != HARMLESS

    @property
    def from_file(self) -> bool:
        """Whether the direction is that of a file."""
        return self.direction.endswith(SUFFIX)

    @property
    def own_side(self) -> list[Prompt]:
        """The prompts that the direction points to; none of a file."""
        return self.towards or []

    @property
    def other_side(self) -> list[Prompt]:
        """Those that it comes from."""
        return self.away or []

    @property
    def factors(self) -> list[float]:
        """What is swept after the unsteered model: coefficients but 0; one that means nothing for an ablation."""
        return [1.0] if self.mode == "ablate" else [c for c in self.coefficients if c]

    @property
    def most_kl(self) -> float:
        """The price that a chosen cell may have at most."""
        return self.max_kl or (10.0 if self.score.of_text else 1.0)

    @property
    def lowest(self) -> bool:
        """Whether the lowest score is the best."""
        return (self.aim or ("lower" if self.mode == "ablate" else "higher")) == "lower"


def direction_file_of(options: Options) -> DirectionFile:
    """The file that holds the direction.

    Raises:
        PromptsError: it holds none.
    """
    return find_direction(options.direction, options.tensor, options.layers)


def _check_sizes(options: Options) -> None:
    """Refuses sets that are missing, or too small."""
    for name in ("towards", "away"):
        prompts = getattr(options, name)
        if prompts is None:
            raise PromptsError(Problem((name,), "missing", "Give towards and away, or a file as direction."))
        if len(prompts) < 2:
            raise ValueError(f"{name}: at least 2 prompts are needed for a mean")
    if options.direction == "paired_pca" and len(options.own_side) != len(options.other_side):
        raise ValueError(f"paired_pca: towards has {len(options.own_side)} prompts, away {len(options.other_side)}: "
                         f"pairs need the same number")  # fmt: skip
    if options.tensor is not None:
        raise PromptsError(Problem(("tensor",), "there is no file of which this is a tensor", "Name it as direction."))


def _check_file(options: Options) -> None:
    """Refuses a file that holds no direction, and what needs the sets that it takes the place of."""
    for name in ("towards", "away"):
        if getattr(options, name) is not None:
            told = "a direction from a file takes the place of both sets"
            raise PromptsError(Problem((name,), told, f"Leave {name} out, or let it find the direction."))
    if options.score.kind == "cosine":
        told = "a cosine is with a direction from `away`, and beside a direction from a file there are no sets"
        raise PromptsError(Problem(("score",), told, "Score words, a language or a script."))
    direction_file_of(options)
